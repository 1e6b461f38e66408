"""The lattice sites that a particle may fill, by column, and the anions that follow its cations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from simulate.crystals import Crystal, onto_beam
from simulate.truth import COLUMN, group_columns

if TYPE_CHECKING:
    from ase import Atoms

ANION_BONDS = 2
"""Bonds to cations that an anion needs at the surface: with 3 it stays, with 2 every other one does."""


@dataclass(frozen=True, kw_only=True)
class Sites:
    """An undistorted piece of crystal around the origin, its zone axis along +z.

    Parameters
    ----------
    cations, anions
        (n, 3), (m, 3) (x, y, z) [Å]; cations are sorted by column, then by z.
    columns
        (n,) column of each cation.
    bonds
        (m, 4) cations next to each anion, n where it has fewer.
    rotation
        Turned the crystal's own frame into this one.
    luck
        (m,) a number of 0..1 drawn once for each anion, so that its fate at a surface never flickers.
    """

    crystal: Crystal
    cations: Float[np.ndarray, "n 3"]
    anions: Float[np.ndarray, "m 3"]
    columns: Int[np.ndarray, " n"]
    bonds: Int[np.ndarray, "m 4"]
    rotation: Float[np.ndarray, "3 3"]
    luck: Float[np.ndarray, " m"]

    def bounds(self, column: int) -> slice:
        """Return which cations are of a column, in the order of z."""
        first, last = np.searchsorted(self.columns, [column, column + 1])
        return slice(int(first), int(last))


def make_sites(
    crystal: Crystal,
    zone_axis: tuple[int, int, int],
    *,
    radius: float,
    rng: np.random.Generator,
) -> Sites:
    """Return the sites within ``radius`` [Å] of a random point, turned at random about the beam."""
    cell = crystal.unit_cell()
    count = int(np.ceil(2 * radius / crystal.lattice_constant)) + 2
    atoms = cell.repeat((count,) * 3)
    centre = crystal.lattice_constant * (count / 2 + rng.uniform(-0.5, 0.5, 3))
    rotation = onto_beam(zone_axis, rng.uniform(0, 2 * np.pi))
    positions = (atoms.positions - centre) @ rotation.T
    near = np.linalg.norm(positions, axis=1) <= radius
    counted = np.array(atoms.get_chemical_symbols()) == crystal.cation
    cations, anions = positions[near & counted], positions[near & ~counted]
    columns = group_columns(cations)
    order = np.lexsort((cations[:, 2], columns))
    cations, columns = cations[order], columns[order]
    return Sites(
        crystal=crystal,
        cations=cations,
        anions=anions,
        columns=columns,
        bonds=_bonds(crystal, cations, anions),
        rotation=rotation,
        luck=rng.uniform(size=len(anions)),
    )


def _bonds(
    crystal: Crystal, cations: Float[np.ndarray, "n 3"], anions: Float[np.ndarray, "m 3"]
) -> Int[np.ndarray, "m 4"]:
    """Return the cations within a bond of each anion; in fluorite a bond is sqrt(3)/4 of the cell's edge."""
    from scipy.spatial import cKDTree

    if not len(anions):
        return np.zeros((0, 4), dtype=np.int64)
    reach = 1.05 * np.sqrt(3) / 4 * crystal.lattice_constant
    found = cKDTree(cations).query(anions, k=4, distance_upper_bound=reach)[1]
    return np.asarray(found, dtype=np.int64)


def kept_anions(sites: Sites, occupied: Bool[np.ndarray, " n"], vacancies: float) -> Bool[np.ndarray, " m"]:
    """Return which anions a particle holds, given its cations.

    An anion stays with three or more of its four cations, and with two every other time, which leaves
    surfaces close to stoichiometric; a fraction ``vacancies`` of those is missing.
    """
    bonded = np.append(occupied, False)[sites.bonds].sum(axis=1)
    lucky = sites.luck >= vacancies
    return np.asarray(
        lucky & ((bonded > ANION_BONDS) | ((bonded == ANION_BONDS) & (sites.luck * 2 % 1 < 0.5)))
    )


def atoms_of(sites: Sites, occupied: Bool[np.ndarray, " n"], anion_vacancies: float = 0.0) -> Atoms:
    """Return the atoms on occupied sites, each with its column under `COLUMN` (-1 for anions)."""
    from ase import Atoms

    kept = kept_anions(sites, occupied, anion_vacancies)
    other = [symbol for symbol in sites.crystal.thermal_displacements if symbol != sites.crystal.cation]
    symbols = [sites.crystal.cation] * int(occupied.sum()) + other * int(kept.sum())
    atoms = Atoms(symbols, positions=np.concatenate([sites.cations[occupied], sites.anions[kept]]))
    atoms.set_array(COLUMN, np.append(sites.columns[occupied], np.full(kept.sum(), -1)))
    return atoms
