"""The crystals that particles are cut from: lattices, thermal displacements, facets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, kw_only=True)
class Crystal:
    """A cubic crystal.

    Parameters
    ----------
    name
        Chemical formula.
    structure
        Prototype, under the name that `ase.build.bulk` knows it by.
    lattice_constant
        Edge of the cubic cell [Å] at room temperature.
    cation
        Element whose atoms are counted in columns.
    surface_energies
        Energy of each facet family relative to {111}: the Wulff construction puts a facet at a distance
        from the centre in proportion to its energy.
    thermal_displacements
        Root mean square displacement along one axis of each element at room temperature [Å],
        sqrt(B / 8 π²).
    """

    name: str
    structure: str
    lattice_constant: float
    cation: str
    surface_energies: Mapping[tuple[int, int, int], float]
    thermal_displacements: Mapping[str, float]

    def unit_cell(self) -> Atoms:
        """Return the cubic cell."""
        from ase.build import bulk

        return bulk(self.name, self.structure, a=self.lattice_constant, cubic=True)


def _fcc(element: str, lattice_constant: float, displacement: float, energy_100: float) -> Crystal:
    return Crystal(
        name=element,
        structure="fcc",
        lattice_constant=lattice_constant,
        cation=element,
        surface_energies={(1, 1, 1): 1.0, (1, 0, 0): energy_100, (1, 1, 0): 1.2},
        thermal_displacements={element: displacement},
    )


# Displacements of the metals: B at 293 K of Peng, Ren, Dudarev & Whelan, Acta Cryst. A52 (1996) 456.
# CeO2: B of about 0.25 Å² (Ce) and 0.45 Å² (O) from neutron powder diffraction at room temperature, its
# facet energies in the order {111} < {110} < {100} of Nolan et al., Surf. Sci. 576 (2005) 217.
CRYSTALS: Mapping[str, Crystal] = {
    crystal.name: crystal
    for crystal in (
        _fcc("Au", 4.0782, 0.088, 1.10),
        _fcc("Pt", 3.9242, 0.069, 1.18),
        _fcc("Pd", 3.8907, 0.076, 1.14),
        _fcc("Ag", 4.0853, 0.097, 1.12),
        _fcc("Cu", 3.6149, 0.084, 1.11),
        _fcc("Ni", 3.5240, 0.067, 1.12),
        Crystal(
            name="CeO2",
            structure="fluorite",
            lattice_constant=5.4113,
            cation="Ce",
            surface_energies={(1, 1, 1): 1.0, (1, 1, 0): 1.25, (1, 0, 0): 1.40},
            thermal_displacements={"Ce": 0.056, "O": 0.075},
        ),
    )
}


def crystal(name: str) -> Crystal:
    """Return the crystal of a formula.

    Raises
    ------
    InputError
        If there is none, listing those that there are.
    """
    if name not in CRYSTALS:
        raise InputError(f"there is no crystal '{name}'; known: {', '.join(sorted(CRYSTALS))}")
    return CRYSTALS[name]


def facet_normals(family: tuple[int, int, int]) -> Float[np.ndarray, "n 3"]:
    """Return the unit normals of all facets of a family {hkl} of a cubic crystal."""
    variants = {
        tuple(sign * index for sign, index in zip(signs, indices, strict=True))
        for indices in permutations(family)
        for signs in product((-1, 1), repeat=3)
    }
    normals = np.array(sorted(variants), dtype=float)
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))


def onto_beam(zone_axis: tuple[int, int, int], in_plane: float = 0.0) -> Float[np.ndarray, "3 3"]:
    """Return the rotation that turns a zone axis of a cubic crystal onto +z.

    Parameters
    ----------
    zone_axis
        [uvw] of the direction that the beam travels along.
    in_plane
        Rotation about the beam after that [rad].

    Returns
    -------
    rotation
        Acts on column vectors (x, y, z) of the crystal's frame.
    """
    z = np.array(zone_axis, dtype=float)
    if not z.any():
        raise InputError("zone_axis must be a direction [u, v, w], got [0, 0, 0]")
    z /= np.linalg.norm(z)
    # The crystal axis that lies flattest to the image plane becomes x, as zone-axis patterns are drawn.
    start = np.eye(3)[np.argmin(np.abs(z))]
    x = start - z * (start @ z)
    x /= np.linalg.norm(x)
    turn = np.array(
        [[np.cos(in_plane), -np.sin(in_plane), 0], [np.sin(in_plane), np.cos(in_plane), 0], [0, 0, 1]]
    )
    return np.asarray(turn @ np.array([x, np.cross(z, x), z]))


def repeat_along(crystal: Crystal, zone_axis: tuple[int, int, int]) -> float:
    """Return the distance between two cations of a column along the beam [Å], of an fcc cation lattice."""
    step = np.array(zone_axis) // np.gcd.reduce(zone_axis)
    half = step.sum() % 2 == 0  # then [uvw] / 2 is a vector of the face-centred lattice
    return float(crystal.lattice_constant * np.linalg.norm(step) * (0.5 if half else 1.0))
