"""What happened to which column, and when: changes of depth, one event for each, with their probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

LEAST = 0.5
"""Probability of an event, at least: what is less likely than not did not happen."""
_TAIL = 0.05  # of the time of an event, on either side of its interval


@dataclass(frozen=True, kw_only=True)
class Events:
    """Changes of depth; all arrays are (e,), in the order of site and frame.

    Parameters
    ----------
    site
        Index of the site.
    frame
        First frame with the new depth: the median of its distribution.
    frame_low, frame_high
        Ends of the interval that holds 90 % of that distribution.
    before, after
        Atoms in the column before and after; 0 where there is no column.
    doubt
        (e,) that it did not happen: an upper bound of the chance that the column was not at most so deep
        before and deeper after (or the reverse). What is surer than the last digit of 1 stays apart.
    """

    site: Int[np.ndarray, " e"]
    frame: Int[np.ndarray, " e"]
    frame_low: Int[np.ndarray, " e"]
    frame_high: Int[np.ndarray, " e"]
    before: Int[np.ndarray, " e"]
    after: Int[np.ndarray, " e"]
    doubt: Float[np.ndarray, " e"]

    def __len__(self) -> int:
        return len(self.site)

    def taken(self, rows: Int[np.ndarray, " n"]) -> Events:
        """Return some of the events."""
        names = ("site", "frame", "frame_low", "frame_high", "before", "after", "doubt")
        return Events(**{name: getattr(self, name)[rows] for name in names})

    @property
    def probability(self) -> Float[np.ndarray, " e"]:
        """1 - doubt."""
        return np.asarray(1.0 - self.doubt)

    @property
    def kind(self) -> list[str]:
        """What happened: an atom (or more) was "gained" or "lost", or a column was "born" or is "gone"."""
        rise = ["born" if before == 0 else "gained" for before in self.before]
        fall = ["gone" if after == 0 else "lost" for after in self.after]
        return list(np.where(self.after > self.before, rise, fall)) if len(self) else []


def find_events(posterior: Float[np.ndarray, "t s depth"], *, least: float = LEAST) -> Events:
    """Return the events of a movie that are at least as probable as ``least``.

    The chance that a column is deeper than m atoms changes from frame to frame by what crosses m upwards less
    what crosses it downwards, both sums over the posterior of pairs of depths in successive frames. From a
    minimum of that chance to the following maximum it rises by at most the probability that the column was
    at most m deep then and is deeper now. Each rise (or fall) of at least ``least`` is a crossing of m; how
    it is spread over the frames is the distribution of its time. Crossings of neighbouring m in the same
    direction whose intervals overlap are one event of several atoms.

    Parameters
    ----------
    posterior
        (t, s, D + 1) probability of each depth, from all frames.
    least
        Above 0.
    """
    frames, sites, depths = posterior.shape
    shape = (frames, sites * (depths - 1))
    shallow = np.cumsum(posterior[..., :-1], axis=2).reshape(shape)
    deeper = np.cumsum(posterior[..., :0:-1], axis=2)[..., ::-1].reshape(shape)
    swings = _swings(deeper, least)
    low, middle, high = _times(deeper, swings)
    site, level = np.divmod(swings.curve, depths - 1)
    bottom, top = (np.where(swings.rise, *ends) for ends in _both_ways(swings.start, swings.end))
    return _merged(
        Events(
            site=site,
            frame=middle,
            frame_low=low,
            frame_high=high,
            before=np.where(swings.rise, level, level + 1),
            after=np.where(swings.rise, level + 1, level),
            doubt=deeper[bottom, swings.curve] + shallow[top, swings.curve],
        )
    )


def _both_ways(first: np.ndarray, second: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    return (first, second), (second, first)


@dataclass(frozen=True)
class _Swings:
    """From which to which frame a curve rises, or falls; all (n,)."""

    curve: Int[np.ndarray, " n"]
    start: Int[np.ndarray, " n"]
    end: Int[np.ndarray, " n"]
    rise: Bool[np.ndarray, " n"]


def _swings(curves: Float[np.ndarray, "t n"], least: float) -> _Swings:
    """Return the rises and falls of at least ``least`` between turning points, all curves abreast.

    A turning point is an extreme that the curve has left by ``least``.
    """
    moving = np.flatnonzero(np.ptp(curves, axis=0) >= least) if len(curves) else np.empty(0, int)
    values = np.ascontiguousarray(curves[:, moving])
    way = np.zeros(len(moving), dtype=int)
    top, bottom = (values[0].copy() if len(values) else np.empty(0) for _ in range(2))
    top_at, bottom_at = np.zeros(len(moving), dtype=int), np.zeros(len(moving), dtype=int)
    found: list[np.ndarray] = []

    def note(which: np.ndarray, rise: bool) -> None:
        ends = (bottom_at, top_at) if rise else (top_at, bottom_at)
        found.append(np.stack([which, ends[0][which], ends[1][which], np.full(len(which), rise)]))

    for frame, value in enumerate(values):
        higher = (value > top) & (way >= 0)
        top[higher], top_at[higher] = value[higher], frame
        lower = (value <= bottom) & (way <= 0)
        bottom[lower], bottom_at[lower] = value[lower], frame
        falls = (way >= 0) & (top - value >= least)
        if falls.any():
            note(np.flatnonzero(falls & (way > 0)), rise=True)
            way[falls], bottom[falls], bottom_at[falls] = -1, value[falls], frame
        rises = (way <= 0) & (value - bottom >= least) & ~falls
        if rises.any():
            note(np.flatnonzero(rises & (way < 0)), rise=False)
            way[rises], top[rises], top_at[rises] = 1, value[rises], frame
    note(np.flatnonzero(way > 0), rise=True)
    note(np.flatnonzero(way < 0), rise=False)
    which, start, end, rise = np.concatenate(found, axis=1)
    return _Swings(moving[which], start, end, rise > 0)


def _times(
    curves: Float[np.ndarray, "t n"], swings: _Swings
) -> tuple[Int[np.ndarray, " e"], Int[np.ndarray, " e"], Int[np.ndarray, " e"]]:
    """Return the frames by which 5, 50 and 95 % of each swing are done."""
    times = np.empty((3, len(swings.curve)), dtype=int)
    for i, (curve, start, end) in enumerate(zip(swings.curve, swings.start, swings.end, strict=True)):
        part = curves[start : end + 1, curve]
        done = np.maximum.accumulate(np.abs(part - part[0]))
        times[:, i] = start + np.searchsorted(done, np.array([_TAIL, 0.5, 1 - _TAIL]) * done[-1])
    return times[0], times[1], times[2]


def _merged(crossings: Events) -> Events:
    """Join crossings of neighbouring levels that overlap in time into events of several atoms."""
    rise = crossings.after > crossings.before
    level = np.minimum(crossings.before, crossings.after)
    order = np.lexsort((np.where(rise, level, -level), rise, crossings.site))
    groups: list[list[int]] = []
    open_groups: list[list[int]] = []
    for i in order:
        open_groups = [
            group
            for group in open_groups
            if crossings.site[group[-1]] == crossings.site[i] and rise[group[-1]] == rise[i]
        ]
        joins = (
            group
            for group in open_groups
            if abs(level[group[-1]] - level[i]) == 1
            and crossings.frame_low[group[-1]] <= crossings.frame_high[i]
            and crossings.frame_low[i] <= crossings.frame_high[group[-1]]
        )
        group = next(joins, None)
        if group is None:
            groups.append([i])
            open_groups.append(groups[-1])
        else:
            group.append(i)
    first, last = (np.array([group[end] for group in groups], dtype=int) for end in (0, -1))

    def over(values: np.ndarray, of: np.ufunc) -> np.ndarray:
        return np.array([of.reduce(values[group]) for group in groups], dtype=values.dtype)

    events = Events(
        site=crossings.site[first],
        frame=np.array([sorted(crossings.frame[group])[len(group) // 2] for group in groups], dtype=int),
        frame_low=over(crossings.frame_low, np.minimum),
        frame_high=over(crossings.frame_high, np.maximum),
        before=crossings.before[first],
        after=crossings.after[last],
        doubt=over(crossings.doubt, np.maximum),
    )
    return events.taken(np.lexsort((events.frame, events.site)))
