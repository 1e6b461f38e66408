"""What is true of a specimen: its atomic columns, from the very atoms that are simulated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from simulate.specimen import COLUMN, COUNTED, DISPLACEMENT
from simulate.view import View

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The atomic columns of a specimen that hold at least one atom.

    Parameters
    ----------
    ids
        (n,) which column it is; the same column of one particle keeps its id from state to state.
    positions
        (n, 2) (y, x) [Å]: the mean projected position of the column's counted atoms, of all its atoms where
        none is counted.
    depths
        (n,) counted atoms in the column: 0 for a column of anions only.
    elements
        Chemical symbols, in the order of the columns of ``counts``.
    counts
        (n, e) atoms of each element.
    occupancy
        (n,) share of the sites between the first and the last atom that are filled, 1 where none is empty.
    displacements
        (n, 2) mean static displacement (y, x) of the atoms that the position is the mean of, from their ideal
        sites [Å].
    """

    ids: Int[np.ndarray, " n"]
    positions: Float[np.ndarray, "n 2"]
    depths: Int[np.ndarray, " n"]
    elements: tuple[str, ...]
    counts: Int[np.ndarray, "n e"]
    occupancy: Float[np.ndarray, " n"]
    displacements: Float[np.ndarray, "n 2"]

    def __len__(self) -> int:
        return len(self.depths)

    def take(self, which: Bool[np.ndarray, " n"]) -> Columns:
        """Return some of the columns."""
        rows = ("ids", "positions", "depths", "counts", "occupancy", "displacements")
        return replace(self, **{name: getattr(self, name)[which] for name in rows})

    def counted(self) -> Columns:
        """Return the columns that hold counted atoms."""
        return self.take(self.depths > 0)

    def seen(self, view: View) -> Columns:
        """Return the columns that project onto an image, in its own frame; they are in a box until then."""
        positions = view.to_image(self.positions)
        turned = self.displacements @ np.linalg.inv(view.axes).T
        return replace(self, positions=positions, displacements=turned).take(view.contains(positions))


def group_columns(positions: Float[np.ndarray, "n 3"], *, tolerance: float = 0.1) -> Int[np.ndarray, " n"]:
    """Return the column of every atom of an undistorted crystal whose zone axis lies along z.

    Positions must be the ideal ones, before mistilt and displacements: atoms of a column then project
    onto one point to rounding error, and no other column lies within ``tolerance``.

    Parameters
    ----------
    positions
        (n, 3) (x, y, z) [Å].
    tolerance
        Projected distance within which atoms are of one column [Å].

    Returns
    -------
    ids
        (n,) 0, 1, ... in the order of (y, x) of the columns.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    if not len(positions):
        return np.zeros(0, dtype=np.int64)
    flat = positions[:, :2]
    pairs = cKDTree(flat).query_pairs(tolerance, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs), dtype=bool), pairs.T), shape=(len(flat), len(flat)))
    count, labels = connected_components(graph, directed=False)
    first = flat[np.unique(labels, return_index=True)[1]]
    order = np.lexsort(np.round(first, 3).T)
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    return np.asarray(rank[labels])


def columns_of(atoms: Atoms) -> Columns:
    """Return the columns of atoms that carry the arrays of `simulate.specimen`, in the atoms' own frame."""
    from ase.data import chemical_symbols

    atoms = atoms[atoms.arrays[COLUMN] >= 0]
    ids, inverse = np.unique(atoms.arrays[COLUMN], return_inverse=True)
    counted = atoms.arrays[COUNTED]
    depths = np.bincount(inverse, weights=counted, minlength=len(ids)).astype(np.int64)
    # A column's place is that of its counted atoms: anions that share it must not pull it.
    placing = counted | (depths[inverse] == 0)
    numbers, kinds = np.unique(atoms.numbers, return_inverse=True)
    counts = np.zeros((len(ids), len(numbers)), dtype=np.int64)
    np.add.at(counts, (inverse, kinds), 1)
    return Columns(
        ids=ids,
        positions=_means(atoms.positions[:, 1::-1], inverse, placing, len(ids)),
        depths=depths,
        elements=tuple(chemical_symbols[number] for number in numbers),
        counts=counts,
        occupancy=_occupancy(atoms.positions[:, 2], inverse, placing, depths > 0),
        displacements=_means(atoms.arrays[DISPLACEMENT][:, 1::-1], inverse, placing, len(ids)),
    )


def _means(
    values: Float[np.ndarray, "n 2"],
    groups: Int[np.ndarray, " n"],
    chosen: Bool[np.ndarray, " n"],
    count: int,
) -> Float[np.ndarray, "g 2"]:
    """Return the mean over the chosen members of each group."""
    total = np.zeros((count, 2))
    np.add.at(total, groups[chosen], values[chosen])
    return total / np.bincount(groups[chosen], minlength=count)[:, None]


def _occupancy(
    heights: Float[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    chosen: Bool[np.ndarray, " n"],
    alike: Bool[np.ndarray, " g"],
) -> Float[np.ndarray, " g"]:
    """Return the filled share of the sites from a column's first to its last atom.

    Sites are the smallest spacing apart of columns that are ``alike``, as every gap is a whole number of
    them; columns that are not are alike among each other.
    """
    count = len(alike)
    order = np.lexsort((heights, groups))
    order = order[chosen[order]]
    gaps, same = np.diff(heights[order]), np.diff(groups[order]) == 0
    gaps, owner = gaps[same], groups[order][1:][same]
    if not len(gaps):
        return np.ones(count)
    # Over all columns alike, since a column of two atoms cannot tell a vacancy from a longer repeat; anions
    # may repeat at half the distance of the cations.
    spacing = np.ones(count)
    for kind in (alike, ~alike):
        if kind[owner].any():
            spacing[kind] = np.percentile(gaps[kind[owner]], 10)
    span = 1 + np.bincount(owner, weights=np.rint(gaps / spacing[owner]), minlength=count)
    return np.asarray((1 + np.bincount(owner, minlength=count)) / span)
