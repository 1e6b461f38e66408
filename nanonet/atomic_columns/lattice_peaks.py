"""Which maxima of a frame are columns of its crystal: the lattice drops some, and finds others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from nanonet.atomic_columns.peaks import Peaks

_BESIDE = 0.75  # of the shorter period: nearer maxima are of one cell of a crystal with a column a cell
_OFF = 0.22  # of the shorter period: how far a column may lie off the place its neighbour predicts


def without_light(peaks: Peaks, periods: Float[np.ndarray, "2 2"], least_height: float) -> Peaks:
    """Return the peaks less those that are low beside a high one: columns of light atoms, contrast in gaps.

    Highest first, each drops what lies within three quarters of the shorter period and is lower than
    ``least_height`` of it; a dropped one drops no other. Phase contrast rings around a particle too: what has
    no other peak one period away is dropped as well.

    Parameters
    ----------
    peaks
        Maxima.
    periods
        Rows are the periods of the image [px], reduced.
    least_height
        0 to 1; at 1 only the highest is left.
    """
    from scipy.spatial import cKDTree

    if not len(peaks):
        return peaks
    near = cKDTree(peaks.positions).query_ball_point(peaks.positions, _BESIDE * np.hypot(*periods[0]))
    keep = np.ones(len(peaks), dtype=bool)
    for i in np.argsort(-peaks.height, kind="stable"):
        if keep[i]:
            others = np.array([j for j in near[i] if j != i], dtype=int)
            higher = peaks.height[others] >= peaks.height[i]
            keep[others] &= higher | (peaks.height[others] > least_height * peaks.height[i])
    heavy = peaks[keep]
    return heavy[_has_neighbour(heavy.positions, periods)]


def _has_neighbour(
    positions: Float[np.ndarray, "n 2"], periods: Float[np.ndarray, "2 2"]
) -> Bool[np.ndarray, " n"]:
    """Return which peaks have another as far away as a period, in any direction: a twin's too."""
    from scipy.spatial.distance import cdist

    lengths = np.hypot(*_steps(periods).T)
    if len(positions) < 2:
        return np.zeros(len(positions), dtype=bool)
    found = np.zeros(len(positions), dtype=bool)
    for part in np.array_split(np.arange(len(positions)), 1 + len(positions) // 1000):
        apart = cdist(positions[part], positions)
        for length in lengths[:3]:
            found[part] |= (np.abs(apart - length) < _OFF * lengths[0]).any(axis=1)
    return found


def _steps(periods: Float[np.ndarray, "2 2"]) -> Float[np.ndarray, "6 2"]:
    """Return the six shortest steps of a lattice whose basis is reduced, three and their opposites."""
    three = np.stack([periods[0], periods[1], periods[0] + periods[1]])
    return np.concatenate([three, -three])


def continued(
    sure: Peaks,
    peaks: Peaks,
    periods: Float[np.ndarray, "2 2"],
    shape: tuple[int, ...],
    min_confidence: float,
) -> Peaks:
    """Return the sure peaks and those that continue their lattice, step by step outwards.

    One period from a peak the next column can be in a small disc only, so that a low maximum there is less
    likely to be noise. All open places are looked at together: of those that are taken, a share of
    1 - ``min_confidence`` at most is noise (Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995) 289). Around
    a particle that was found as a whole this takes next to nothing, in one that was found in part it takes
    much.

    Parameters
    ----------
    sure
        Peaks that are columns.
    peaks
        All maxima.
    periods
        Rows are the periods of the image [px], reduced.
    shape
        Of the image.
    min_confidence
        Of the peaks that are added, on average.

    Returns
    -------
    Peaks
        The confidence of what was added is one less the share of noise among all that are as high.
    """
    from scipy.spatial import cKDTree

    spacing = float(np.hypot(*periods[0]))
    chance = -np.expm1(-np.pi * (_OFF * spacing) ** 2 * peaks.density)  # of noise so high at a place
    left = replace(peaks, confidence=1 - chance)[chance <= 1 - min_confidence]
    found = sure
    while len(left) and len(found):
        places = (found.positions[:, None] + _steps(periods)).reshape(-1, 2)
        inside = np.all((places >= 0) & (places <= np.array(shape) - 1), axis=1)
        columns = cKDTree(found.positions)
        places = places[inside & (columns.query(places)[0] > _BESIDE * spacing)]
        left = left[columns.query(left.positions)[0] > _BESIDE * spacing]
        if not len(places) or not len(left):
            break
        fitting = _apart(left[cKDTree(places).query(left.positions)[0] < _OFF * spacing], _BESIDE * spacing)
        taken = _discovered(fitting, _number_of(places, _BESIDE * spacing), min_confidence)
        if not len(taken):
            break
        found = _joined(found, taken)
    return found


def _number_of(places: Float[np.ndarray, "n 2"], apart: float) -> int:
    """Return how many places there are, those nearer than ``apart`` counted once."""
    from scipy.spatial import cKDTree

    near = cKDTree(places).query_ball_point(places, apart)
    return round(sum(1 / len(others) for others in near))


def _discovered(peaks: Peaks, tests: int, min_confidence: float) -> Peaks:
    """Return the peaks of a false discovery rate of at most 1 - ``min_confidence``, of so many ``tests``."""
    chance = 1 - peaks.confidence
    order = np.argsort(chance, kind="stable")
    rate = chance[order] * max(tests, len(peaks)) / np.arange(1, len(peaks) + 1)
    rate = np.minimum.accumulate(rate[::-1])[::-1]
    confidence = np.empty(len(peaks))
    confidence[order] = 1 - np.minimum(rate, 1.0)
    return replace(peaks, confidence=confidence)[confidence >= min_confidence]


def _apart(peaks: Peaks, distance: float) -> Peaks:
    """Return the peaks without those that lie near a higher one."""
    from scipy.spatial import cKDTree

    near = cKDTree(peaks.positions).query_ball_point(peaks.positions, distance)
    highest = [all(peaks.height[i] >= peaks.height[j] for j in others) for i, others in enumerate(near)]
    return peaks[np.array(highest, dtype=bool)]


def _joined(first: Peaks, second: Peaks) -> Peaks:
    return Peaks(
        **{name: np.concatenate([values, getattr(second, name)]) for name, values in vars(first).items()}
    )
