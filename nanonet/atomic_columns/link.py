"""Follow atomic columns through time, as sites of a crystal that drifts as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.atomic_columns.table import positions_of
from nanonet.records import ColumnTable, InputError

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

_OF_SPACING = 0.4  # of the distance between neighbours: the default for how far a column may be off its site
_MEMORY = 30  # sightings that a site's position is a running mean of
_KNOWN = 3  # sightings, and
_OFTEN = (
    0.3  # share of the frames, from which on a site is matched before others: stray peaks do not win over it
)
_WORSE = 0.97  # of the usual or the best quality of a registration: this much is no chance
_VOTES = 12  # most frequent differences of positions that are tried as shifts
_AT_ONCE = 256  # columns whose differences to all sites are counted together
_ROUNDS = 6


def link_columns(
    table: ColumnTable, *, max_distance: float | None = None, max_gap: int | None = None
) -> ColumnTable:
    """Give each column the number of the site that it occupies, the same in all frames.

    Every frame is shifted onto the sites seen so far, by the median shift of matched pairs until it settles:
    from where the last frame lay, from its drift going on, and where that matches fewer columns than usual,
    as after a jump by a lattice spacing, from the most frequent differences of positions. Columns are then
    matched with sites one to one, nearest first, and those left over open new sites. A site that is empty for
    a while keeps its number.

    A jump of more than half a lattice spacing between two frames can be told from a shorter one by the
    outline of the crystal only.

    Parameters
    ----------
    table
        Columns of the frames of one movie, in any order.
    max_distance
        How far a column may be off its site, drift taken off [Å, or px]; None takes 0.4 of the median
        distance between neighbours.
    max_gap
        A site that was empty for more frames than this is given up; None keeps all.

    Returns
    -------
    ColumnTable
        The same rows with ``track_id`` from 1.

    Raises
    ------
    InputError
        If ``max_distance`` is not positive or ``max_gap`` is negative.
    """
    if max_distance is not None and not (np.isfinite(max_distance) and max_distance > 0):
        raise InputError(f"link_columns.max_distance must be positive, got {max_distance}")
    if max_gap is not None and max_gap < 0:
        raise InputError(f"link_columns.max_gap must not be negative, got {max_gap}")
    positions, _ = positions_of(table)
    frames = table.data["frame"].to_numpy(int)
    rows = _rows_by_frame(frames)
    reach = max_distance or _OF_SPACING * _spacing([positions[of_frame] for of_frame in rows.values()])
    sites = _Sites(reach=reach, max_gap=max_gap)
    track = np.zeros(len(table), dtype=int)
    for frame, of_frame in rows.items():
        track[of_frame] = sites.take(positions[of_frame], frame) + 1
    data = table.data.assign(track_id=track).astype({"track_id": "Int64"})
    return ColumnTable(data=data, columns=table.columns)


def _rows_by_frame(frames: Int[np.ndarray, " n"]) -> dict[int, Int[np.ndarray, " m"]]:
    order = np.argsort(frames, kind="stable")
    values, first = np.unique(frames[order], return_index=True)
    return dict(zip(values.tolist(), np.split(order, first[1:]), strict=True)) if len(frames) else {}


def _spacing(frames: list[Float[np.ndarray, "n 2"]]) -> float:
    """Return the median distance to the nearest neighbour in some of the frames."""
    from scipy.spatial import cKDTree

    some = [frame for frame in frames[:: max(1, len(frames) // 20)] if len(frame) > 1]
    if not some:
        return 1.0
    return float(np.median(np.concatenate([cKDTree(frame).query(frame, k=2)[0][:, 1] for frame in some])))


@dataclass
class _Sites:
    """The sites seen so far, in the coordinates of the first frame, and where the frame stands to them."""

    reach: float
    max_gap: int | None
    places: Float[np.ndarray, "n 2"] = field(default_factory=lambda: np.empty((0, 2)))
    seen: Int[np.ndarray, " n"] = field(default_factory=lambda: np.empty(0, dtype=int))
    born: Int[np.ndarray, " n"] = field(default_factory=lambda: np.empty(0, dtype=int))
    last: Int[np.ndarray, " n"] = field(default_factory=lambda: np.empty(0, dtype=int))
    shift: Float[np.ndarray, " 2"] = field(default_factory=lambda: np.zeros(2))
    drift: Float[np.ndarray, " 2"] = field(default_factory=lambda: np.zeros(2))
    quality: float = 1.0
    taken: int = 0

    def take(self, positions: Float[np.ndarray, "m 2"], frame: int) -> Int[np.ndarray, " m"]:
        """Return the site of each column of the next frame."""
        alive = np.ones(len(self.places), dtype=bool)
        if self.max_gap is not None:
            alive = frame - self.last <= self.max_gap + 1
        least = min(_KNOWN, 1 + self.taken // _KNOWN)
        known = alive & (self.seen >= least) & (self.seen >= _OFTEN * (self.taken - self.born))
        if len(positions) and alive.any():
            self._register(positions, self.places[known if known.any() else alive])
        moved = positions + self.shift
        found = self._match(moved, (known, alive & ~known))
        self._update(moved, found, frame)
        self.taken += 1
        return found

    def _register(self, positions: Float[np.ndarray, "m 2"], places: Float[np.ndarray, "n 2"]) -> None:
        """Find the shift that lays the frame on the sites; where few columns match, search everywhere."""
        quality, shift = _best(positions, places, [self.shift, self.shift + self.drift], self.reach)
        if quality < _WORSE * self.quality:
            votes = _most_frequent_shifts(positions, places, self.reach)
            anywhere = _best(positions, places, votes, self.reach)
            if _WORSE * anywhere[0] > quality:
                quality, shift = anywhere
        self.drift = 0.5 * self.drift + 0.5 * (shift - self.shift)
        self.shift = shift
        self.quality += (quality - self.quality) / min(self.taken, _MEMORY)

    def _match(
        self, positions: Float[np.ndarray, "m 2"], groups: tuple[Bool[np.ndarray, " n"], ...]
    ) -> Int[np.ndarray, " m"]:
        """Return the site of each position, -1 for none; sites of the first group choose first."""
        found = np.full(len(positions), -1)
        for group in groups:
            free = np.flatnonzero(found < 0)
            which = np.flatnonzero(group)
            column, site = one_to_one(positions[free], self.places[which], self.reach)
            found[free[column]] = which[site]
        return found

    def _update(self, positions: Float[np.ndarray, "m 2"], found: Int[np.ndarray, " m"], frame: int) -> None:
        """Move the sites that were seen to the mean of their columns, and open new ones in ``found``."""
        old = found >= 0
        site = found[old]
        self.seen[site] += 1
        self.last[site] = frame
        weight = 1.0 / np.minimum(self.seen[site], _MEMORY)
        self.places[site] += weight[:, None] * (positions[old] - self.places[site])
        n_new = int(np.sum(~old))
        found[~old] = len(self.places) + np.arange(n_new)
        self.places = np.concatenate([self.places, positions[~old]])
        self.seen = np.concatenate([self.seen, np.ones(n_new, dtype=int)])
        self.born = np.concatenate([self.born, np.full(n_new, self.taken)])
        self.last = np.concatenate([self.last, np.full(n_new, frame)])


def _best(
    positions: Float[np.ndarray, "m 2"],
    places: Float[np.ndarray, "n 2"],
    starts: Iterable[Float[np.ndarray, " 2"]],
    reach: float,
) -> tuple[float, Float[np.ndarray, " 2"]]:
    """Return the best quality that a shift settles at, and that shift."""
    from scipy.spatial import cKDTree

    tree = cKDTree(places)
    first = [_settled(positions, tree, start, reach, rounds=2) for start in starts]
    _, start = max(first, key=lambda result: result[0])
    return _settled(positions, tree, start, reach, rounds=_ROUNDS)


def _settled(
    positions: Float[np.ndarray, "m 2"],
    tree: cKDTree,
    shift: Float[np.ndarray, " 2"],
    reach: float,
    *,
    rounds: int,
) -> tuple[float, Float[np.ndarray, " 2"]]:
    """Improve a shift by the median over matched pairs; return the quality of the match, and the shift.

    The quality is the share of the columns that find a site, a pair counting less the farther it is apart.
    """
    places = np.asarray(tree.data)
    quality = 0.0
    for _ in range(rounds):
        distance, site = tree.query(positions + shift, distance_upper_bound=1.2 * reach)
        near = np.isfinite(distance)
        if not near.any():
            return 0.0, shift
        quality = float(np.mean(np.where(near, 1.0 - 0.5 * np.minimum(distance, reach) / reach, 0.0)))
        step = np.median(places[site[near]] - positions[near] - shift, axis=0)
        shift = shift + step
        if np.hypot(*step) < 1e-3 * reach:
            break
    return quality, shift


def _most_frequent_shifts(
    positions: Float[np.ndarray, "m 2"], places: Float[np.ndarray, "n 2"], reach: float
) -> Float[np.ndarray, "k 2"]:
    """Return the differences of positions that most pairs of columns and sites share, to ``reach``."""
    from scipy import ndimage

    step = reach / 2
    first = np.rint((places.min(0) - positions.max(0)) / step).astype(int)
    shape = np.rint((places.max(0) - positions.min(0)) / step).astype(int) - first + 1
    counts = np.zeros(shape[0] * shape[1], dtype=np.int64)
    for some in np.array_split(positions, len(positions) // _AT_ONCE + 1):
        bins = np.rint((places - some[:, None]) / step).astype(np.int64) - first
        counts += np.bincount((bins @ np.array([shape[1], 1])).ravel(), minlength=len(counts))
    smooth = ndimage.gaussian_filter(counts.reshape(shape).astype(np.float32), 1.2, mode="constant")
    peaks = np.argwhere((smooth == ndimage.maximum_filter(smooth, 3)) & (smooth > 0))
    most = np.argsort(-smooth[tuple(peaks.T)], kind="stable")[:_VOTES]
    return np.asarray((peaks[most] + first) * step)


def one_to_one(
    first: Float[np.ndarray, "m 2"], second: Float[np.ndarray, "n 2"], reach: float
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Return pairs of indices of points nearer than ``reach``, each used once, the nearest pairs first."""
    from scipy.spatial import cKDTree

    if not len(first) or not len(second):
        return np.empty(0, dtype=int), np.empty(0, dtype=int)
    pairs = cKDTree(first).sparse_distance_matrix(cKDTree(second), reach, output_type="ndarray")
    pairs = pairs[np.argsort(pairs["v"], kind="stable")]
    used_first, used_second, chosen = set(), set(), []
    for i, j in zip(pairs["i"].tolist(), pairs["j"].tolist(), strict=True):
        if i not in used_first and j not in used_second:
            used_first.add(i)
            used_second.add(j)
            chosen.append((i, j))
    found = np.array(chosen, dtype=int).reshape(-1, 2)
    return found[:, 0], found[:, 1]
