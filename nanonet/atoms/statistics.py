"""What atoms.csv and particle.csv say: of each atom, and of the particle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.atoms.agreement import largest_intensities, validation_correlations
from nanonet.atoms.coordination import Coordination, coordination
from nanonet.atoms.crystal import Crystal
from nanonet.atoms.detect import Detected
from nanonet.atoms.displacement import degree_of_isotropy, u_tensors
from nanonet.atoms.strain import radial, strain_tensors
from nanonet.records import AtomTable, Column, Table

_WITHOUT_LATTICE = 1.35
"""Bond lengths within which atoms without a lattice are neighbours: where glasses have fewest pairs."""
_ROWS = ("x", "y", "z")
_TENSOR = (("xx", 0, 0), ("yy", 1, 1), ("zz", 2, 2), ("xy", 0, 1), ("xz", 0, 2), ("yz", 1, 2))


def _columns() -> tuple[Column, ...]:
    places = [
        (f"{axis}_angstrom", "Å", f"position along {axis}, from the centre of voxel 0") for axis in _ROWS
    ]
    errors = [
        (f"sigma_{axis}_angstrom", "Å", f"standard deviation of {axis}, by the Fisher information")
        for axis in _ROWS
    ]
    strains = [
        (f"{prefix}strain_{name}", "", f"strain {name} in the crystal's cubic axes, relative to the {what}")
        for prefix, what in (("", "fitted lattice"), ("bulk_", "bulk crystal"))
        for name, _, _ in _TENSOR
    ]
    tensors = [
        (f"u_{name}_angstrom2", "Å²", f"U tensor, {name} in the axes of the map, freed of what noise adds")
        for name, _, _ in _TENSOR
    ]
    rest = [
        ("score", "", "matched filter in standard deviations of the noise"),
        ("weight", "intensity·Å³", "integrated intensity, fitted"),
        ("sigma_weight", "intensity·Å³", "its standard deviation"),
        ("u_iso_angstrom2", "Å²", "variance of the atom's image along any direction, fitted"),
        ("sigma_u_iso_angstrom2", "Å²", "its standard deviation"),
        ("degree_of_isotropy", "", "smallest over largest eigenvalue of the U tensor"),
        (
            "coordination_number",
            "",
            "neighbours nearer than half way to the lattice's second shell (1.35 bonds without a lattice)",
        ),
        ("generalized_coordination_number", "", "sum of the neighbours' CN over that of the bulk crystal"),
        (
            "generalized_coordination_number_own_maximum",
            "",
            "sum of the neighbours' CN over the largest of them",
        ),
        ("bond_length_angstrom", "Å", "mean distance to the neighbours"),
        ("max_intensity", "intensity", "largest of the map within 0.6 Å"),
        ("max_intensity_z_score", "", "max_intensity less the mean of all atoms, over their deviation"),
        (
            "validation_correlation",
            "",
            "correlation of the map with that of the atoms, within half a bond length",
        ),
        ("radius_angstrom", "Å", "distance from the middle of the particle"),
        ("on_lattice", "", "whether a chain of bonds joins it to the fitted lattice"),
        ("radial_strain", "", "strain along the line from the middle, relative to the fitted lattice"),
        ("bulk_radial_strain", "", "the same relative to the bulk crystal"),
    ]
    listed = [
        *places,
        ("element", "", "chemical symbol, as it was given"),
        ("probability", "", "that there is an atom"),
        *errors,
        *rest,
        *strains,
        *tensors,
    ]
    return tuple(Column(name=name, unit=unit, meaning=meaning) for name, unit, meaning in listed)


ATOM_COLUMNS = _columns()


@dataclass(frozen=True, kw_only=True)
class AtomStatistics:
    """The atoms of a particle as a table, their neighbours, and their U tensors (n, 3, 3) [Å²]."""

    table: AtomTable
    near: Coordination
    tensors: Float[np.ndarray, "n 3 3"]


def atom_statistics(detected: Detected, crystal: Crystal, element: str) -> AtomStatistics:
    """Return every statistic of every atom; what a lattice is needed for is NaN where there is none."""
    atoms, lattice, scene = detected.fit.atoms, detected.lattice, detected.scene
    cutoff = _WITHOUT_LATTICE * crystal.bond_length if lattice is None else lattice.cutoff
    near = coordination(atoms.positions, cutoff=cutoff, bulk=crystal.bulk_coordination)
    tensors = u_tensors(scene, detected.fit)
    bright = largest_intensities(scene.density, atoms, scene.voxel_size)
    values: dict[str, object] = {
        **_by_axis("{}_angstrom", atoms.positions),
        "element": element,
        "probability": detected.probability,
        **_by_axis("sigma_{}_angstrom", detected.fit.position_errors),
        "score": detected.scores,
        "weight": atoms.weights,
        "sigma_weight": np.sqrt(detected.fit.covariances[:, 0, 0]),
        "u_iso_angstrom2": atoms.u_iso,
        "sigma_u_iso_angstrom2": np.sqrt(detected.fit.covariances[:, 4, 4]),
        "degree_of_isotropy": degree_of_isotropy(tensors),
        "coordination_number": near.number,
        "generalized_coordination_number": near.generalized,
        "generalized_coordination_number_own_maximum": near.generalized_own_maximum,
        "bond_length_angstrom": near.bond_length,
        "max_intensity": bright,
        "max_intensity_z_score": (bright - bright.mean()) / max(float(bright.std()), 1e-30),
        "validation_correlation": validation_correlations(
            scene.density, atoms, scene.voxel_size, radius=crystal.bond_length / 2
        ),
        "radius_angstrom": np.linalg.norm(atoms.positions - atoms.positions.mean(axis=0), axis=1),
        "on_lattice": np.zeros(len(atoms), dtype=bool) if lattice is None else lattice.on,
        **_strains(detected, crystal, near),
        **{f"u_{name}_angstrom2": tensors[:, i, j] for name, i, j in _TENSOR},
    }
    data = pd.DataFrame(values)
    return AtomStatistics(table=AtomTable(data=data, columns=ATOM_COLUMNS), near=near, tensors=tensors)


def _by_axis(name: str, values: Float[np.ndarray, "n 3"]) -> Mapping[str, Float[np.ndarray, " n"]]:
    return {name.format(axis): values[:, number] for number, axis in enumerate(_ROWS)}


def _strains(detected: Detected, crystal: Crystal, near: Coordination) -> Mapping[str, np.ndarray]:
    atoms, lattice = detected.fit.atoms, detected.lattice
    found: dict[str, np.ndarray] = {}
    for prefix, edge in (("", None), ("bulk_", crystal.lattice_constant)):
        if lattice is None:
            strain = np.full((len(atoms), 3, 3), np.nan)
            along = np.full(len(atoms), np.nan)
        else:
            strain = strain_tensors(atoms.positions, lattice, near, lattice_constant=edge)
            along = radial(strain, atoms.positions, lattice)
        found |= {f"{prefix}radial_strain": along}
        found |= {f"{prefix}strain_{name}": strain[:, i, j] for name, i, j in _TENSOR}
    return found


class AtomicParticleTable(Table):
    """particle.csv: the summary of a particle, in one row."""

    stem = "particle"


PARTICLE_COLUMNS = (
    Column(name="element", unit="", meaning="chemical symbol, as it was given"),
    Column(name="atoms", unit="", meaning="number of atoms found"),
    Column(name="expected_atoms", unit="", meaning="sum of their probabilities"),
    Column(name="structure", unit="", meaning="lattice that was fitted; empty where the atoms have none"),
    Column(name="share_on_lattice", unit="", meaning="atoms joined to it by bonds"),
    Column(name="lattice_constant_angstrom", unit="Å", meaning="edge of a cube of the fitted cell's volume"),
    Column(name="sigma_lattice_constant_angstrom", unit="Å", meaning="its standard deviation"),
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
    core = data["coordination_number"] >= crystal.bulk_coordination
    edge = np.nan if lattice is None else lattice.lattice_constant
    error = np.nan if lattice is None else float(np.sqrt((lattice.errors**2).mean()) / crystal.shells[0])
    row = {
        "element": data["element"].iloc[0],
        "atoms": len(data),
        "expected_atoms": data["probability"].sum(),
        "structure": None if lattice is None else crystal.structure,
        "share_on_lattice": data["on_lattice"].mean(),
        "lattice_constant_angstrom": edge,
        "sigma_lattice_constant_angstrom": error,
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
