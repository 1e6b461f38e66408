"""Follow atomic columns through time, as sites of a crystal that drifts as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.atomic_columns.table import positions_of
from nanonet.records import ColumnTable, InputError

_OF_SPACING = 0.4  # of the distance between neighbours: the default for how far a column may be off its site
_MEMORY = 30  # sightings that a site's position is a running mean of
_KNOWN = 3  # sightings after which a site is matched before newcomers, so that stray peaks do not win over it
_REGISTERED = 0.5  # share of the columns that must find their site, else the shift is searched for
_ROUNDS = 6


def link_columns(
    table: ColumnTable, *, max_distance: float | None = None, max_gap: int | None = None
) -> ColumnTable:
    """Give each column the number of the site that it occupies, the same in all frames.

    Every frame is shifted onto the sites seen so far: from where the last one lay, and from its drift going
    on, by the median shift of matched pairs until it settles; where too few pairs match, by the most frequent
    difference of positions. Columns are then matched with sites one to one, nearest first, and those left
    over open new sites. A site that is empty for a while keeps its number.

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
    last: Int[np.ndarray, " n"] = field(default_factory=lambda: np.empty(0, dtype=int))
    shift: Float[np.ndarray, " 2"] = field(default_factory=lambda: np.zeros(2))
    drift: Float[np.ndarray, " 2"] = field(default_factory=lambda: np.zeros(2))

    def take(self, positions: Float[np.ndarray, "m 2"], frame: int) -> Int[np.ndarray, " m"]:
        """Return the site of each column of the next frame."""
        alive = np.ones(len(self.places), dtype=bool)
        if self.max_gap is not None:
            alive = frame - self.last <= self.max_gap + 1
        if len(positions) and alive.any():
            shift = self._register(positions, alive)
            self.drift = 0.5 * self.drift + 0.5 * (shift - self.shift)
            self.shift = shift
        found = self._match(positions + self.shift, alive)
        self._update(positions + self.shift, found, frame)
        return found

    def _register(
        self, positions: Float[np.ndarray, "m 2"], alive: Bool[np.ndarray, " n"]
    ) -> Float[np.ndarray, " 2"]:
        """Return the shift that lays the frame on the sites."""
        known = alive & (self.seen >= min(_KNOWN, int(self.seen.max())))
        places = self.places[known if known.any() else alive]
        starts = [self.shift, self.shift + self.drift]
        tried = [_settled(positions, places, start, self.reach) for start in starts]
        share, shift = max(tried, key=lambda result: result[0])
        if share < _REGISTERED:
            vote = _most_frequent_shift(positions, places, self.reach)
            share, shift = max(
                [(share, shift), _settled(positions, places, vote, self.reach)], key=lambda r: r[0]
            )
        return shift

    def _match(
        self, positions: Float[np.ndarray, "m 2"], alive: Bool[np.ndarray, " n"]
    ) -> Int[np.ndarray, " m"]:
        """Return the site of each position, -1 for none; well-known sites choose first."""
        found = np.full(len(positions), -1)
        for group in (alive & (self.seen >= _KNOWN), alive & (self.seen < _KNOWN)):
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
        self.last = np.concatenate([self.last, np.full(n_new, frame)])


def _settled(
    positions: Float[np.ndarray, "m 2"],
    places: Float[np.ndarray, "n 2"],
    shift: Float[np.ndarray, " 2"],
    reach: float,
) -> tuple[float, Float[np.ndarray, " 2"]]:
    """Return the shift improved by the median over matched pairs, and the share of columns that it matches.

    The share counts a pair the less the farther it is apart.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(places)
    quality = 0.0
    for _ in range(_ROUNDS):
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


def _most_frequent_shift(
    positions: Float[np.ndarray, "m 2"], places: Float[np.ndarray, "n 2"], reach: float
) -> Float[np.ndarray, " 2"]:
    """Return the difference of positions that most pairs of columns and sites share."""
    from scipy.spatial import cKDTree

    difference = (places[None, :, :] - positions[:, None, :]).reshape(-1, 2)
    bins = np.rint(difference / reach).astype(int)
    values, count = np.unique(bins, axis=0, return_counts=True)
    start = values[int(count.argmax())] * reach
    near = cKDTree(difference).query_ball_point(start, reach)
    return np.asarray(np.median(difference[near], axis=0)) if near else np.asarray(start)


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
