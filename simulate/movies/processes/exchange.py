"""Columns at the rim that gain and lose counted atoms at their ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Int

from nanonet.records import InputError
from simulate.movies.lattice import Lattice, World
from simulate.movies.process import Moves, gains, losses, require_rate


@dataclass(frozen=True, kw_only=True)
class ColumnExchange:
    """The columns at the rim of a particle gain and lose atoms at both ends, each independently.

    A rim column is one that lacks a neighbouring column; an empty column of which half the neighbours are
    filled gets its first atom where that touches most others.

    Parameters
    ----------
    gain_rate, loss_rate
        Counted atoms that a rim column gains and loses [1/s].
    deepest
        Atoms that no column grows beyond; None for those of the deepest column as it is.
    """

    gain_rate: float = 0.1
    loss_rate: float = 0.1
    deepest: int | None = None

    def __post_init__(self) -> None:
        require_rate("gain_rate", self.gain_rate)
        require_rate("loss_rate", self.loss_rate)
        if self.deepest is not None and self.deepest < 1:
            raise InputError(f"deepest must be at least 1 atom, got {self.deepest}")

    def moves(self, world: World) -> Sequence[Moves]:
        """Return what can happen next: each end of each rim column gains or loses."""
        columns = _upright(world.lattice)
        filled = np.flatnonzero(world.occupied[columns.sites])
        depth = np.bincount(columns.rank[filled], minlength=len(columns.start))
        at_rim = columns.at_rim(depth > 0)
        bearing = np.flatnonzero(at_rim & (depth > 0))
        last = np.searchsorted(columns.rank[filled], bearing, side="right") - 1
        ends = filled[last - depth[bearing] + 1], filled[last]
        room = depth[bearing] < max(self.deepest or world.deepest, 1)
        moves = [gains(_seeds(columns, world, at_rim & (depth == 0)), self.gain_rate)]
        for end, step in zip(ends, (-1, 1), strict=True):
            moves.append(losses(columns.sites[end], self.loss_rate / 2))
            beyond = (end + step)[room].clip(0, len(columns.sites) - 1)
            beyond = beyond[columns.rank[beyond] == bearing[room]]
            beyond = columns.sites[beyond[~world.occupied[columns.sites[beyond]]]]
            moves.append(gains(beyond[world.crowded[beyond] == 0], self.gain_rate / 2))
        return moves


@dataclass(frozen=True, kw_only=True)
class _Upright:
    """The counted sites of a lattice by column, in the order of z.

    ``sites`` (n,) are of the columns ``rank`` (n,), 0 .. c - 1; ``start`` (c,) is the first of each, and
    ``beside`` (p, 2) are pairs of columns next to each other, each pair in both orders.
    """

    sites: Int[np.ndarray, " n"]
    rank: Int[np.ndarray, " n"]
    start: Int[np.ndarray, " c"]
    beside: Int[np.ndarray, "p 2"]

    def at_rim(self, filled: Bool[np.ndarray, " c"]) -> Bool[np.ndarray, " c"]:
        """Return filled columns that lack a neighbour, and empty ones of which half of those are filled."""
        count = np.bincount(self.beside[:, 0], weights=filled[self.beside[:, 1]], minlength=len(filled))
        most = np.bincount(self.beside[:, 0]).max(initial=0)
        return np.asarray(np.where(filled, count < most, count >= max(most, 1) / 2))


@lru_cache(maxsize=4)
def _upright(lattice: Lattice) -> _Upright:
    sites = np.flatnonzero(lattice.counted & (lattice.columns >= 0))
    if not len(sites):
        raise InputError("columns exchange atoms only where the particle lies on a zone axis")
    _, start, rank = np.unique(lattice.columns[sites], return_index=True, return_inverse=True)
    owner = lattice.instances[sites[start]]
    beside = [np.zeros((0, 2), dtype=np.int64)]
    for instance in np.unique(owner):
        own = np.flatnonzero(owner == instance)
        beside.append(own[_next_to(lattice.places[sites[start[own]]])])
    return _Upright(sites=sites, rank=rank, start=start, beside=np.concatenate(beside))


def _next_to(places: np.ndarray) -> Int[np.ndarray, "p 2"]:
    """Return which columns lie within 1.2 of the shortest projected distance of each other."""
    from scipy.spatial import cKDTree

    if len(places) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    tree = cKDTree(places)
    shortest = float(np.median(tree.query(places, k=2)[0][:, 1]))
    pairs = tree.query_pairs(1.2 * shortest, output_type="ndarray").reshape(-1, 2)
    return np.concatenate([pairs, pairs[:, ::-1]])


def _seeds(columns: _Upright, world: World, empty: Bool[np.ndarray, " c"]) -> Int[np.ndarray, " m"]:
    """Return, for each of some empty columns, the site where an atom touches most of the particle."""
    open_ = np.flatnonzero(empty[columns.rank] & (world.crowded[columns.sites] == 0))
    order = open_[np.lexsort((-world.coordination[columns.sites[open_]], columns.rank[open_]))]
    first = np.unique(columns.rank[order], return_index=True)[1]
    best = columns.sites[order[first]]
    return np.asarray(best[world.coordination[best] > 0])
