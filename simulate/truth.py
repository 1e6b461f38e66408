"""What is true of a structure: its atomic columns, from the very atoms that are simulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    from ase import Atoms

COLUMN = "column"
"""Name of the per-atom array that says which column an atom is counted in, -1 for none."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The atomic columns of a structure that hold at least one cation.

    Parameters
    ----------
    ids
        (n,) which column it is; the same column of one particle keeps its id from state to state.
    positions
        (n, 2) (y, x) [Å]: the mean projected position of the column's cations.
    depths
        (n,) cations in the column.
    """

    ids: Int[np.ndarray, " n"]
    positions: Float[np.ndarray, "n 2"]
    depths: Int[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.depths)


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
    """Return the columns of atoms that carry the per-atom array `COLUMN`, in the atoms' own frame."""
    member = atoms.arrays[COLUMN]
    counted = member >= 0
    ids, inverse, depths = np.unique(member[counted], return_inverse=True, return_counts=True)
    positions = np.zeros((len(ids), 2))
    np.add.at(positions, inverse, atoms.positions[counted][:, 1::-1])
    return Columns(ids=ids, positions=positions / depths[:, None], depths=depths.astype(np.int64))
