"""How often columns that do not change would show an event: drawn again from the frames of a movie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanonet.atomic_columns.time.events import LEAST, Events, find_events
from nanonet.atomic_columns.time.groups import Groups, posterior_of
from nanonet.atomic_columns.time.steps import lasting_noise, settled

PER = 1e4
"""Column-frames that rates of false alarms are quoted for: 100 columns and 100 frames."""
_WANTED = 10.0  # false alarms that are expected in what is drawn, at the rate that is asked for
_BYTES = 2**26
_MOST = 300  # movies: what is drawn of a tiny one


@dataclass(frozen=True, kw_only=True)
class FalseAlarms:
    """Events in movies of columns that do not change.

    Parameters
    ----------
    doubt
        (n,) of each such event, ascending: the most certain ones first.
    column_frames
        Frames of one column that were searched.
    """

    doubt: Float[np.ndarray, " n"]
    column_frames: float

    def rate(self, doubt: Float[np.ndarray, " e"]) -> Float[np.ndarray, " e"]:
        """Return the false alarms at least as certain, per 100 columns and 100 frames.

        One more is counted than was found, as in a permutation test: what was never found is not impossible.
        """
        found = np.searchsorted(self.doubt, doubt, side="right")
        return np.asarray((found + 1) / self.column_frames * PER)

    def most_doubt(self, rate: float) -> float:
        """Return the doubt up to which there are at most ``rate`` false alarms per 100 columns and frames.

        0 where so few cannot be had: no event is sure enough then.
        """
        allowed = int(np.floor(rate / PER * self.column_frames)) - 1
        if allowed < 0:
            return 0.0
        if allowed >= len(self.doubt):
            return 1.0 - LEAST
        return float(np.nextafter(self.doubt[allowed], 0.0))


def count_false_alarms(
    likelihood: Float[np.ndarray, "t s depth"],
    reading: Float[np.ndarray, "t s"],
    groups: Groups,
    events: Events,
    rng: np.random.Generator,
    *,
    rate: float,
) -> FalseAlarms:
    """Return the events that the same columns would show if they did not change.

    Shuffling all frames of a movie would test whether their order matters at all, which is not what a false
    alarm is: a column that did change would become a mixture of two depths and flicker. Here each
    column is made static: its frames are drawn again, with replacement, from its longest time without an
    event, so that the evidence of a frame, with all its ambiguity, is that of the movie, and every event is
    false. As many frames in a row are drawn together as noise lasts: a network that reads frames together
    says much the same in neighbouring ones. Movies are drawn until 10 false alarms are expected at ``rate``.

    What this cannot see: errors that come and go like changes, and what a change of one column does to the
    reading of its neighbours.

    Parameters
    ----------
    likelihood
        (t, s, D + 1), tempered as for the events that are to be judged.
    reading
        (t, s) mean depth in each frame [atoms].
    groups
        With the dynamics that were learned.
    events
        Found in the movie.
    rng
        Decides what is drawn.
    rate
        False alarms per 100 columns and 100 frames that are asked for.
    """
    frames, sites, depths = likelihood.shape
    block = round(lasting_noise(events, reading))
    steady = _longest_steady((frames, sites), events)
    movies = int(np.clip(np.ceil(_WANTED * PER / rate / (frames * sites)), 1, _MOST))
    at_once = max(1, _BYTES // (4 * frames * depths))
    chosen = np.tile(np.arange(sites), movies)
    doubts = []
    for first in range(0, len(chosen), at_once):
        some = chosen[first : first + at_once]
        drawn = _resampled(frames, steady[some], rng, block)
        posterior = posterior_of(likelihood[drawn, some], groups.taken(some))
        doubts.append(settled(find_events(posterior), reading[drawn, some]).doubt)
    return FalseAlarms(doubt=np.sort(np.concatenate(doubts)), column_frames=float(frames * len(chosen)))


def _longest_steady(shape: tuple[int, int], events: Events) -> Int[np.ndarray, "s 2"]:
    """Return the first frame of each site's longest time without an event, and the frame after its last."""
    frames, sites = shape
    every = np.arange(sites)
    nothing = np.zeros(sites, dtype=int)
    # The time in which an event may have been is steady on neither side.
    site = np.concatenate([every, events.site, every])
    end = np.concatenate([nothing, events.frame_low, nothing + frames])
    start = np.concatenate([nothing, events.frame_high, nothing + frames])
    order = np.lexsort((start, end, site))
    site, end, start = site[order], end[order], start[order]
    length = np.where(site[1:] == site[:-1], end[1:] - start[:-1], 0)
    best = np.lexsort((-length, site[:-1]))
    first = best[np.searchsorted(site[:-1][best], every)]
    span = np.stack([start[first], end[first + 1]], axis=1)
    return np.where(length[first, None] > 0, span, [[0, frames]])


def _resampled(
    frames: int, steady: Int[np.ndarray, "n 2"], rng: np.random.Generator, block: int
) -> Int[np.ndarray, "t n"]:
    """Return which frame each column shows in each frame of a static movie."""
    first, length = steady[:, 0], steady[:, 1] - steady[:, 0]
    blocks = -(-frames // block)
    starts = rng.integers(0, np.maximum(length - block, 0) + 1, size=(blocks, len(steady)))
    offsets = (starts[:, None] + np.arange(block)[None, :, None]) % length
    return np.asarray((first + offsets.reshape(blocks * block, -1))[:frames])
