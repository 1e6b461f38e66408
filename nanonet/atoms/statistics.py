"""What atoms.csv says of each atom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from nanonet.atoms.agreement import largest_intensities, validation_correlations
from nanonet.atoms.coordination import Coordination, coordination
from nanonet.atoms.crystal import Crystal
from nanonet.atoms.detected import Detected
from nanonet.atoms.displacement import Displacements, degree_of_isotropy, of_likelihood, principal
from nanonet.atoms.elements import elements, with_lighter_sites_told
from nanonet.atoms.fit import Fit
from nanonet.atoms.grains import grain_of
from nanonet.atoms.penetration import depths
from nanonet.atoms.scene import Scene
from nanonet.atoms.strain import grain_strains, strain_errors
from nanonet.records import AtomTable, Column

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
        (
            f"{prefix}strain_{name}",
            "",
            f"strain {name} in its grain's cubic axes (grains.csv), relative to the {what}",
        )
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
        ("u_largest_angstrom2", "Å²", "largest eigenvalue of the U tensor: along the ellipsoid's long axis"),
        ("u_middle_angstrom2", "Å²", "the next"),
        ("u_smallest_angstrom2", "Å²", "the smallest"),
        *[
            (f"long_axis_{axis}", "", f"{axis} of the long axis, a unit vector in the map's axes")
            for axis in _ROWS
        ],
        ("degree_of_isotropy", "", "smallest over largest eigenvalue of the U tensor"),
        (
            "coordination_number",
            "",
            "neighbours nearer than half way to the lattice's second shell (1.35 bonds without a lattice)",
        ),
        (
            "generalized_coordination_number",
            "",
            "sum over the neighbours of CN over that of the bulk crystal",
        ),
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
        (
            "depth_angstrom",
            "Å",
            "distance to the nearest atom at the surface, which has at most 0.8 of the bulk's neighbours",
        ),
        ("on_lattice", "", "whether a chain of bonds joins it to a fitted lattice"),
        ("grain", "", "number of that lattice in grains.csv, the largest first; -1 of none"),
        ("radial_strain", "", "strain along the line from the middle, relative to the fitted lattice"),
        ("bulk_radial_strain", "", "the same relative to the bulk crystal"),
        (
            "sigma_strain",
            "",
            "standard deviation of a normal strain, as strain_xx, by the errors of the positions",
        ),
    ]
    listed = [
        *places,
        ("element", "", "chemical symbol; of several that were given the likeliest"),
        ("element_probability", "", "that it is this element, by its site or its intensity"),
        ("probability", "", "that there is an atom; empty where the detection gives none"),
        *errors,
        *rest,
        *strains,
        *tensors,
    ]
    return tuple(Column(name=name, unit=unit, meaning=meaning) for name, unit, meaning in listed)


ATOM_COLUMNS = _columns()


@dataclass(frozen=True, kw_only=True)
class AtomStatistics:
    """The atoms of a particle as a table, their neighbours, and their U tensors (n, 3, 3) [Å²].

    Parameters
    ----------
    bulk
        (n,) neighbours that each would have in bulk.
    """

    table: AtomTable
    near: Coordination
    bulk: Int[np.ndarray, " n"]
    tensors: Float[np.ndarray, "n 3 3"]


def atom_statistics(
    detected: Detected,
    crystal: Crystal,
    displacements: Callable[[Scene, Fit], Displacements] = of_likelihood,
) -> AtomStatistics:
    """Return every statistic of every atom; what a lattice is needed for is NaN where there is none.

    Parameters
    ----------
    displacements
        How U is measured.
    """
    detected = with_lighter_sites_told(detected, crystal)
    atoms, lattice, scene = detected.fit.atoms, detected.lattice, detected.scene
    cutoff = _WITHOUT_LATTICE * crystal.bond_length if lattice is None else lattice.cutoff
    bulk = bulk_coordination(detected, crystal)
    near = coordination(atoms.positions, cutoff=cutoff, bulk=bulk)
    u = displacements(scene, detected.fit)
    values: dict[str, object] = {
        **_by_axis("{}_angstrom", atoms.positions),
        **_elements(detected, crystal),
        "probability": detected.probability,
        **_by_axis("sigma_{}_angstrom", detected.fit.position_errors),
        "score": detected.scores,
        "weight": atoms.weights,
        "sigma_weight": np.sqrt(detected.fit.covariances[:, 0, 0]),
        **_shape(u),
        "coordination_number": near.number,
        "generalized_coordination_number": near.generalized,
        "generalized_coordination_number_own_maximum": near.generalized_own_maximum,
        "bond_length_angstrom": near.bond_length,
        **_intensities(detected, crystal),
        "radius_angstrom": np.linalg.norm(atoms.positions - atoms.positions.mean(axis=0), axis=1),
        "depth_angstrom": depths(atoms.positions, near.number, bulk),
        "on_lattice": grain_of(detected.grains, len(atoms)) >= 0,
        "grain": grain_of(detected.grains, len(atoms)),
        **_strains(detected, crystal, near),
    }
    data = pd.DataFrame(values)
    table = AtomTable(data=data, columns=ATOM_COLUMNS)
    return AtomStatistics(table=table, near=near, bulk=bulk, tensors=u.tensors)


def bulk_coordination(detected: Detected, crystal: Crystal) -> Int[np.ndarray, " n"]:
    """Return the neighbours that each atom would have in bulk; of atoms on no lattice the crystal's most."""
    bulk = np.full(len(detected.fit.atoms), crystal.bulk_coordination)
    for grain in detected.grains:
        bulk[grain.on] = grain.coordination[grain.on]
    return bulk


def _elements(detected: Detected, crystal: Crystal) -> Mapping[str, object]:
    found = elements(detected, crystal)
    return {"element": list(found.symbols), "element_probability": found.probability}


def _shape(u: Displacements) -> Mapping[str, np.ndarray]:
    values, long = principal(u.tensors)
    sizes = dict(zip(("largest", "middle", "smallest"), values.T, strict=True))
    return {
        "u_iso_angstrom2": u.u_iso,
        "sigma_u_iso_angstrom2": u.sigma_u_iso,
        **{f"u_{size}_angstrom2": column for size, column in sizes.items()},
        **_by_axis("long_axis_{}", long),
        "degree_of_isotropy": degree_of_isotropy(u.tensors),
        **{f"u_{name}_angstrom2": u.tensors[:, i, j] for name, i, j in _TENSOR},
    }


def _intensities(detected: Detected, crystal: Crystal) -> Mapping[str, np.ndarray]:
    atoms, scene = detected.fit.atoms, detected.scene
    bright = largest_intensities(scene.density, atoms, scene.voxel_size)
    return {
        "max_intensity": bright,
        "max_intensity_z_score": (bright - bright.mean()) / max(float(bright.std()), 1e-30),
        "validation_correlation": validation_correlations(scene, atoms, radius=crystal.bond_length / 2),
    }


def _by_axis(name: str, values: Float[np.ndarray, "n 3"]) -> Mapping[str, Float[np.ndarray, " n"]]:
    return {name.format(axis): values[:, number] for number, axis in enumerate(_ROWS)}


def _strains(detected: Detected, crystal: Crystal, near: Coordination) -> Mapping[str, np.ndarray]:
    positions = detected.fit.atoms.positions
    found: dict[str, np.ndarray] = {}
    for prefix, edge in (("", None), ("bulk_", crystal.lattice_constant)):
        strain, along = grain_strains(positions, detected.grains, near, lattice_constant=edge)
        found |= {f"{prefix}radial_strain": along}
        found |= {f"{prefix}strain_{name}": strain[:, i, j] for name, i, j in _TENSOR}
    errors = np.full(len(positions), np.nan)
    for grain in detected.grains:
        errors[grain.on] = strain_errors(detected.fit.position_errors, grain, near)[grain.on]
    return found | {"sigma_strain": errors}
