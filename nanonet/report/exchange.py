"""Atoms that may have moved from a site to a neighbour: a loss here, a gain next to it, at the same time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from nanonet.report.rim import spacing

NEIGHBOURS = 1.5
"""Sites nearer than this many spacings are neighbours."""
SLACK = 1
"""Frames by which the intervals of a loss and a gain may miss each other."""
SHUFFLES = 40


@dataclass(frozen=True, kw_only=True)
class Exchanges:
    """Pairs of a loss and a gain next to it, each event in one pair at most.

    Parameters
    ----------
    source, target
        (n,) rows of the sites that lost and gained.
    count
        (n,) pairs from this source to this target.
    by_chance
        (mean, 5 % quantile, 95 % quantile) of the number of all pairs where sites know nothing of each other.
    """

    source: Int[np.ndarray, " n"]
    target: Int[np.ndarray, " n"]
    count: Int[np.ndarray, " n"]
    by_chance: tuple[float, float, float]

    @property
    def total(self) -> int:
        """Number of all pairs."""
        return int(self.count.sum())

    @property
    def beyond_chance(self) -> bool:
        """Whether there are more pairs than chance gives in 95 of 100 movies."""
        return self.total > self.by_chance[2]


def exchanges(
    events: pd.DataFrame,
    site: Int[np.ndarray, " e"],
    positions: Float[np.ndarray, "s 2"],
    frames: Int[np.ndarray, " t"],
) -> Exchanges:
    """Pair losses with gains at neighbouring sites whose intervals overlap, the nearest in time first.

    What chance gives is measured: the events of each site are moved together by a random time, around the
    end of the movie to its beginning, which leaves every site its own events and their rhythm and takes away
    only what sites have in common; the same pairs are then counted again.

    Parameters
    ----------
    events
        One row an event: frame, frame_low, frame_high, depth_before, depth_after.
    site
        (e,) row of the site of each event.
    positions
        (s, 2) places of the sites.
    frames
        (t,) of the movie, in a row.
    """
    when, low, high = (events[name].to_numpy(dtype=float) for name in ("frame", "frame_low", "frame_high"))
    change = (events["depth_after"] - events["depth_before"]).to_numpy(dtype=float)
    moments = _Moments(when=when, low=low, high=high, site=site)
    loss, gain = moments.take(change < 0), moments.take(change > 0)
    reach = NEIGHBOURS * spacing(positions)
    pairs = _pairs(loss, gain, positions, reach)
    source, target = (part.site[index] for part, index in zip((loss, gain), pairs.T, strict=True))
    moves, count = np.unique(np.stack([source, target], axis=1), axis=0, return_counts=True)
    rng = np.random.default_rng([0])
    chance = []
    for _ in range(SHUFFLES):
        shift = rng.integers(0, len(frames), len(positions)).astype(float)
        moved = [part.shifted(shift[part.site], frames) for part in (loss, gain)]
        chance.append(len(_pairs(moved[0], moved[1], positions, reach)))
    least, greatest = np.quantile(chance, [0.05, 0.95])
    return Exchanges(
        source=moves[:, 0],
        target=moves[:, 1],
        count=count,
        by_chance=(float(np.mean(chance)), float(least), float(greatest)),
    )


@dataclass(frozen=True, kw_only=True)
class _Moments:
    """When and where events were: moment and interval [frames], row of the site."""

    when: Float[np.ndarray, " e"]
    low: Float[np.ndarray, " e"]
    high: Float[np.ndarray, " e"]
    site: Int[np.ndarray, " e"]

    def take(self, which: np.ndarray) -> _Moments:
        return _Moments(**{name: values[which] for name, values in vars(self).items()})

    def shifted(self, by: Float[np.ndarray, " e"], frames: Int[np.ndarray, " t"]) -> _Moments:
        """Return them later by ``by`` frames, what passes the end at the beginning."""
        when = (self.when - frames[0] + by) % len(frames) + frames[0]
        moved = when - self.when
        return _Moments(when=when, low=self.low + moved, high=self.high + moved, site=self.site)


def _pairs(
    loss: _Moments, gain: _Moments, positions: Float[np.ndarray, "s 2"], reach: float
) -> Int[np.ndarray, "p 2"]:
    """Return the pairs (number of the loss, number of the gain), each used once."""
    order = np.argsort(gain.low, kind="stable")
    gain_low = gain.low[order]
    widest = float(np.max(gain.high - gain.low, initial=0.0))
    first = np.searchsorted(gain_low, loss.low - SLACK - widest, side="left")
    last = np.searchsorted(gain_low, loss.high + SLACK, side="right")
    number = last - first
    i = np.repeat(np.arange(len(number)), number)
    j = order[np.arange(len(i)) - np.repeat(np.cumsum(number) - number, number) + first[i]]
    apart = np.hypot(*(positions[loss.site[i]] - positions[gain.site[j]]).T)
    together = (gain.high[j] >= loss.low[i] - SLACK) & (apart > 0) & (apart < reach)
    i, j = i[together], j[together]
    best = np.lexsort((j, i, np.abs(gain.when[j] - loss.when[i])))
    return _once_each(i[best], j[best])


def _once_each(first: Int[np.ndarray, " c"], second: Int[np.ndarray, " c"]) -> Int[np.ndarray, "p 2"]:
    used_first, used_second, pairs = set(), set(), []
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        if i not in used_first and j not in used_second:
            used_first.add(i)
            used_second.add(j)
            pairs.append((i, j))
    return np.array(pairs, dtype=int).reshape(-1, 2)
