"""How deep columns are between their changes, given that most of the error of a reading lasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.atomic_columns.time.events import Events

POSSIBLE = 0.02
"""Probability from which on a change parts the frames: a missed change is a wrong depth, a false one costs
some of an average that is mostly the same."""
_AT_ONCE = 64  # sites


def pool_between(
    changes: Events,
    likelihood: Float[np.ndarray, "t s depth"],
    *,
    prior: Float[np.ndarray, " depth"],
    inside: Bool[np.ndarray, "t s"],
    looks: float,
) -> Float[np.ndarray, "t s depth"]:
    """Return the probability of each depth, from all frames between two changes of a column.

    The frames of a movie show one structure through one lens: what a network mistakes in one frame it
    mistakes in the next. A Markov model takes frames for independent: it tells well when a column changes,
    and is far too sure of how deep it is. So log likelihoods are averaged between changes, which removes the
    noise of the frames, and the average counts as often as independent looks would: of n frames
    n / (1 + (n - 1) / looks), the design effect of L. Kish, Survey Sampling (1965). In the frames in which a
    change may have been, the depths before and after are mixed.

    Parameters
    ----------
    changes
        In the order of site and frame: all that are possible, down to `POSSIBLE`.
    likelihood
        (t, s, D + 1) as observed, not tempered.
    prior
        (D + 1,) that the network's probabilities were divided by: it counts once.
    inside
        (t, s) where a site was seen.
    looks
        Independent looks that any number of frames amounts to at most, from 1; infinite where errors are
        independent from frame to frame.
    """
    times = _between(changes, likelihood.shape[:2])
    chance = _pooled(times, likelihood, inside, np.log(prior), looks)
    found = np.asarray(chance[times.number])
    for i, site in enumerate(changes.site):
        low, middle, high = changes.frame_low[i], changes.frame[i], changes.frame_high[i]
        after = i + site + 1  # a site has one time more than changes
        frames = np.arange(low, high + 1)
        done = np.interp(frames, [low - 1, middle - 0.5, high], [0.0, 0.5, 1.0])[:, None]
        found[frames, site] = (1 - done) * chance[after - 1] + done * chance[after]
    return found


@dataclass(frozen=True)
class _Times:
    """Times between changes, in the order of site and frame.

    ``number`` (t, s) is the time that each frame of each site belongs to; ``site``, ``start`` and ``end``
    (n,) are those of each time.
    """

    number: Int[np.ndarray, "t s"]
    site: Int[np.ndarray, " n"]
    start: Int[np.ndarray, " n"]
    end: Int[np.ndarray, " n"]


def _between(changes: Events, shape: tuple[int, ...]) -> _Times:
    frames, sites = shape
    number = np.zeros((frames, sites), dtype=int)
    np.add.at(number, (changes.frame, changes.site), 1)
    times = 1 + np.bincount(changes.site, minlength=sites)
    number = np.cumsum(number, axis=0) + np.cumsum(times) - times
    site = np.repeat(np.arange(sites), times)
    start = np.concatenate([np.zeros(sites, dtype=int), changes.frame])
    start = start[np.lexsort((start, np.concatenate([np.arange(sites), changes.site])))]
    last = np.append(np.diff(site) > 0, True)
    end = np.where(last, frames, np.append(start[1:], frames))
    return _Times(number=number, site=site, start=start, end=end)


def _pooled(
    times: _Times,
    likelihood: Float[np.ndarray, "t s depth"],
    inside: Bool[np.ndarray, "t s"],
    log_prior: Float[np.ndarray, " depth"],
    looks: float,
) -> Float[np.ndarray, "n depth"]:
    """Return the probability of each depth in each time."""
    chance = np.empty((len(times.site), likelihood.shape[2]), dtype=np.float32)
    for first in range(0, likelihood.shape[1], _AT_ONCE):
        rows = np.flatnonzero((times.site >= first) & (times.site < first + _AT_ONCE))
        sites = slice(first, first + _AT_ONCE)
        site, start, end = times.site[rows] - first, times.start[rows], times.end[rows]
        seen = inside[:, sites, None]
        told = _running(np.where(seen, np.log(likelihood[:, sites]), 0.0))
        frames = _running(seen)
        number = (frames[end, site] - frames[start, site])[:, 0]
        mean = (told[end, site] - told[start, site]) / np.maximum(number, 1)[:, None]
        weight = number / (1.0 + np.maximum(number - 1, 0) / looks)
        exponent = log_prior + weight[:, None] * mean
        part = np.exp(exponent - exponent.max(1, keepdims=True))
        chance[rows] = part / part.sum(1, keepdims=True)
    return chance


def _running(values: np.ndarray) -> np.ndarray:
    """Return the sums over all frames before each, (t + 1, ...)."""
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0, dtype=float)])
