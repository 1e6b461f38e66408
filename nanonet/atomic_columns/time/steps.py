"""Whether events move what a column reads by whole atoms, and when."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from nanonet.atomic_columns.time.events import Events

LEAST_STEP = 0.5
"""By so much of the atoms that an event is of the mean reading must change."""
_LEAST_NOISE = 1e-4  # of a reading [atoms²]: of a network that is sure
_LAGS = 20  # frames over which noise may last
_TAIL = 0.05


def mean_reading(
    likelihood: Float[np.ndarray, "t s depth"], prior: Float[np.ndarray, " depth"]
) -> Float[np.ndarray, "t s"]:
    """Return the mean depth that each single frame gives each site [atoms]."""
    chance = likelihood * prior.astype(np.float32)
    return np.asarray(chance @ np.arange(len(prior), dtype=np.float32) / chance.sum(2))


def settled(events: Events, reading: Float[np.ndarray, "t s"], *, least: float = LEAST_STEP) -> Events:
    """Return the events that change the mean reading by whole atoms, at the times at which it changes.

    Where a lasting error has the network read 4.5 atoms, frames that happen to favour 4 are followed by
    frames that favour 5, and the Markov model, which knows of no such error, is sure of a change at some
    frame. But the mean reading hardly moves then, while an atom more moves it by about one. Of the events of
    a site the one with the least step goes first, and the times before and after it become one, until all
    steps are at least ``least`` of their atoms. The time of each that stays follows from the reading between
    its neighbours: a step from one mean to another at any frame, with the noise that remains, which counts
    as often as it is independent.

    Parameters
    ----------
    events
        In the order of site and frame.
    reading
        (t, s) mean depth in each frame [atoms].
    least
        0 keeps all events.
    """
    first = np.flatnonzero(np.diff(events.site, prepend=-1))
    kept = [
        _pruned(rows, events, reading[:, events.site[rows[0]]], least)
        for rows in np.split(np.arange(len(events)), first[1:])
        if len(rows)
    ]
    stay = events.taken(np.concatenate([np.empty(0, dtype=int), *kept]))
    if not len(stay):
        return stay
    timed = _timed(stay, reading, 1.0)
    return _timed(timed, reading, lasting_noise(timed, reading))


def _pruned(
    rows: Int[np.ndarray, " n"], events: Events, reading: Float[np.ndarray, " t"], least: float
) -> Int[np.ndarray, " m"]:
    """Return the events of one site that stay."""
    total = np.concatenate([[0.0], np.cumsum(reading, dtype=float)])
    while len(rows):
        ends = np.concatenate([[0], events.frame[rows], [len(reading)]])
        means = np.diff(total[ends]) / np.maximum(np.diff(ends), 1)
        steps = np.diff(means) / (events.after[rows] - events.before[rows])
        if steps.min() >= least:
            break
        rows = np.delete(rows, steps.argmin())
    return rows


def _timed(events: Events, reading: Float[np.ndarray, "t s"], lasting: float) -> Events:
    """Return the events with the times at which the reading steps, between the neighbours of each."""
    times = np.stack([events.frame_low, events.frame, events.frame_high])
    same = np.diff(events.site) == 0
    for i, site in enumerate(events.site):
        start = times[1, i - 1] if i and same[i - 1] else 0
        end = times[1, i + 1] if i + 1 < len(events) and same[i] else len(reading)
        if end - start > 2:
            times[:, i] = start + _step(reading[start:end, site], lasting)
    return replace(events, frame_low=times[0], frame=times[1], frame_high=times[2])


def _step(reading: Float[np.ndarray, " n"], lasting: float) -> Int[np.ndarray, " 3"]:
    """Return the frames by which 5, 50 and 95 % of the chance of one step are reached."""
    values = reading - reading.mean()
    n, at = len(values), np.arange(1, len(values))
    explained = np.cumsum(values, dtype=float)[:-1] ** 2 * (1 / at + 1 / (n - at))
    noise = (np.sum(values**2, dtype=float) - explained.max()) / max(n - 2, 1)
    chance = np.exp((explained - explained.max()) / (2 * lasting * max(noise, _LEAST_NOISE)))
    done = np.cumsum(chance) / chance.sum()
    return np.asarray(at[np.searchsorted(done, [_TAIL, 0.5, 1 - _TAIL])])


def lasting_noise(events: Events, reading: Float[np.ndarray, "t s"]) -> float:
    """Return how many frames the noise of a reading lasts: 1 where it is independent from frame to frame.

    One and twice the sum of its autocorrelations up to the first that is not positive, over all sites with
    events, their steps taken off; over all sites where there are no events.
    """
    sites = np.unique(events.site) if len(events) else np.arange(reading.shape[1])
    noise = reading[:, sites].astype(float)
    for column, site in enumerate(sites):
        ends = np.concatenate([[0], events.frame[events.site == site], [len(noise)]])
        for start, end in pairwise(ends.tolist()):
            noise[start:end, column] -= noise[start:end, column].mean() if end > start else 0.0
    lags = range(min(_LAGS, len(noise) - 1) + 1)
    covariance = np.array([np.mean(noise[lag:] * noise[: len(noise) - lag]) for lag in lags])
    share = covariance[1:] / max(covariance[0], 1e-12)
    until = np.argmax(share <= 0) if (share <= 0).any() else len(share)
    return float(1.0 + 2.0 * share[:until].sum())
