"""What particle.csv and grains.csv say: of the particle, and of its lattices."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nanonet.atoms.crystal import Crystal
from nanonet.atoms.detected import Detected
from nanonet.atoms.grains import disorientation
from nanonet.atoms.statistics import AtomStatistics
from nanonet.records import Column, Table


class AtomicParticleTable(Table):
    """particle.csv: the summary of a particle, in one row."""

    stem = "particle"


PARTICLE_COLUMNS = (
    Column(name="element", unit="", meaning="elements and the numbers of their atoms"),
    Column(name="atoms", unit="", meaning="number of atoms found"),
    Column(name="expected_atoms", unit="", meaning="sum of their probabilities"),
    Column(name="structure", unit="", meaning="lattice that was fitted; empty where the atoms have none"),
    Column(name="grains", unit="", meaning="lattices of different orientation or place: grains.csv"),
    Column(name="share_on_lattice", unit="", meaning="atoms joined to one of them by bonds"),
    Column(name="lattice_constant_angstrom", unit="Å", meaning="edge of a cube of the fitted cell's volume"),
    Column(name="sigma_lattice_constant_angstrom", unit="Å", meaning="its standard deviation"),
    Column(name="c_over_a", unit="", meaning="of hcp, as fitted"),
    Column(name="lattice_strain", unit="", meaning="lattice constant over that of the bulk crystal, less 1"),
    Column(name="neighbour_cutoff_angstrom", unit="Å", meaning="up to which atoms are neighbours"),
    Column(name="diameter_nm", unit="nm", meaning="largest distance of two atoms, and a bond length"),
    Column(name="core_ratio", unit="", meaning="share of atoms with all neighbours of the bulk crystal"),
    Column(name="bond_length_angstrom", unit="Å", meaning="mean distance of neighbours"),
    Column(name="u_iso_core_angstrom2", unit="Å²", meaning="mean U of the atoms with all neighbours"),
    Column(name="u_iso_surface_angstrom2", unit="Å²", meaning="mean U of the others"),
    Column(name="sigma_position_angstrom", unit="Å", meaning="root mean square error of a position"),
    Column(
        name="validation_correlation", unit="", meaning="mean over the atoms, of the map with that of atoms"
    ),
)


def particle_statistics(found: AtomStatistics, detected: Detected, crystal: Crystal) -> AtomicParticleTable:
    """Return the summary of a particle."""
    from scipy.spatial import ConvexHull, distance

    data, lattice, positions = found.table.data, detected.lattice, detected.fit.atoms.positions
    hull = positions[ConvexHull(positions).vertices] if len(positions) > 8 else positions
    core = data["coordination_number"] >= found.bulk
    edge = np.nan if lattice is None else lattice.lattice_constant
    error = np.nan if lattice is None else lattice.lattice_constant_error
    row = {
        "element": _formula(data["element"]),
        "atoms": len(data),
        "expected_atoms": data["probability"].sum(min_count=1),
        "structure": None if lattice is None else crystal.structure,
        "grains": len(detected.grains),
        "share_on_lattice": data["on_lattice"].mean(),
        "lattice_constant_angstrom": edge,
        "sigma_lattice_constant_angstrom": error,
        "c_over_a": lattice.c_over_a if lattice is not None and crystal.structure == "hcp" else np.nan,
        "lattice_strain": edge / crystal.lattice_constant - 1,
        "neighbour_cutoff_angstrom": found.near.cutoff,
        "diameter_nm": (distance.pdist(hull).max(initial=0.0) + crystal.bond_length) / 10,
        "core_ratio": core.mean(),
        "bond_length_angstrom": data["bond_length_angstrom"].mean(),
        "u_iso_core_angstrom2": data.loc[core, "u_iso_angstrom2"].mean(),
        "u_iso_surface_angstrom2": data.loc[~core, "u_iso_angstrom2"].mean(),
        "sigma_position_angstrom": float(np.sqrt((detected.fit.position_errors**2).sum(axis=1).mean())),
        "validation_correlation": data["validation_correlation"].mean(),
    }
    return AtomicParticleTable(data=pd.DataFrame([row]), columns=PARTICLE_COLUMNS)


class GrainTable(Table):
    """grains.csv: the lattices of a particle, the largest first."""

    stem = "grains"


GRAIN_COLUMNS = (
    Column(name="grain", unit="", meaning="number, from 0, as in atoms.csv"),
    Column(name="atoms", unit="", meaning="atoms on its lattice"),
    Column(name="lattice_constant_angstrom", unit="Å", meaning="edge of a cube of the fitted cell's volume"),
    Column(name="sigma_lattice_constant_angstrom", unit="Å", meaning="its standard deviation"),
    *(
        Column(
            name=f"{edge}_{axis}",
            unit="",
            meaning=f"{axis} of the crystal's cubic axis {edge}, a unit vector in the map's axes; of equal "
            "choices that nearest to these",
        )
        for edge in "abc"
        for axis in "xyz"
    ),
    Column(
        name="disorientation_degrees",
        unit="°",
        meaning="smallest rotation from the first grain's crystal to this one's, symmetry considered",
    ),
    *(
        Column(
            name=f"axis_{axis}",
            unit="",
            meaning=f"{axis} of its axis, in the axes of the first grain's crystal",
        )
        for axis in "xyz"
    ),
    Column(
        name="twin", unit="", meaning="whether that is the Σ3 twin of a cubic crystal, by Brandon's criterion"
    ),
)


def grain_table(detected: Detected) -> GrainTable:
    """Return grains.csv."""
    rows = []
    for number, grain in enumerate(detected.grains):
        turn = disorientation(detected.grains[0], grain)
        axis = turn.axis if number else np.full(3, np.nan)
        size = (grain.lattice_constant, grain.lattice_constant_error)
        cubic = grain.crystal.structure != "hcp"
        rows.append(
            (
                number,
                int(grain.on.sum()),
                *size,
                *grain.rotation.T.ravel(),
                turn.angle,
                *axis,
                number > 0 and cubic and turn.is_twin,
            )
        )
    data = pd.DataFrame(rows, columns=[column.name for column in GRAIN_COLUMNS])
    return GrainTable(data=data, columns=GRAIN_COLUMNS)


def _formula(symbols: pd.Series) -> str:
    counts = symbols.value_counts()
    return str(counts.index[0]) if len(counts) == 1 else " ".join(f"{s}{n}" for s, n in counts.items())
