"""A denoised map cut into atoms: by the threshold that agrees best, then split where they touch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage

from nanonet.atoms.detected import Binarised

_THRESHOLDS = 15
_LONGEST = 1.5
"""Radii of an atom, beyond which a component reaches that is more than one."""
Centres = Float[np.ndarray, "n 3"]


def binarise(
    denoised: Float[np.ndarray, "z y x"],
    raw: Float[np.ndarray, "z y x"],
    agreement: Callable[[Centres], float],
) -> Binarised:
    """Return the components above the best of 15 thresholds from Otsu's to the maximum, then of 15 about it.

    Parameters
    ----------
    denoised
        What is cut; 0 where nothing is sought.
    raw
        What centres of mass are of.
    agreement
        Correlation of the map with the one simulated from centres (x, y, z) in voxels.
    """
    from skimage.filters import threshold_otsu

    tried: dict[float, float] = {}
    low, high = float(threshold_otsu(denoised[denoised != 0])), float(denoised.max())
    for _ in range(2):
        steps = np.linspace(low, high, _THRESHOLDS + 1)[:-1]
        for threshold in steps:
            labels = _components(denoised, float(threshold))
            tried[float(threshold)] = agreement(centres_of_mass(raw, labels)) if labels.any() else -1.0
        every = sorted(tried)
        best = every.index(max(every, key=lambda t: tried[t]))
        low, high = every[max(best - 1, 0)], every[min(best + 1, len(every) - 1)]
    every = sorted(tried)
    return Binarised(
        thresholds=np.array(every),
        correlations=np.array([tried[t] for t in every]),
        labels=_components(denoised, max(every, key=lambda t: tried[t])),
    )


def _components(denoised: Float[np.ndarray, "z y x"], threshold: float) -> Int[np.ndarray, "z y x"]:
    return np.asarray(ndimage.label(denoised > threshold)[0])


def centres_of_mass(raw: Float[np.ndarray, "z y x"], labels: Int[np.ndarray, "z y x"]) -> Centres:
    """Return the centre of mass of each component, by the raw map where positive, (x, y, z) in voxels."""
    at = np.flatnonzero(labels)
    label = labels.ravel()[at]
    mass = np.maximum(raw.ravel()[at].astype(float), 1e-12)
    total = np.bincount(label, mass)[1:]
    places = np.stack(np.unravel_index(at, labels.shape), axis=1)[:, ::-1]
    sums = [np.bincount(label, mass * places[:, axis])[1:] for axis in range(3)]
    return np.stack(sums, axis=1) / np.maximum(total, 1e-30)[:, None]


def split(
    denoised: Float[np.ndarray, "z y x"],
    raw: Float[np.ndarray, "z y x"],
    labels: Int[np.ndarray, "z y x"],
    radius: float,
) -> Int[np.ndarray, "z y x"]:
    """Return components of one atom each.

    One whose centre of mass is more than a voxel from its maximum, or that reaches farther than 1.5 radii
    from it, gets as many centres as it has maxima that are two radii or more apart, the highest first; its
    voxels go to the nearest.

    Parameters
    ----------
    radius
        Of an atom, in voxels.
    """
    result = labels.copy()
    centres = centres_of_mass(raw, labels)
    count = len(centres)
    summits = denoised >= ndimage.maximum_filter(denoised, size=3)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        inside = np.argwhere(labels[box] == number)
        places = (inside + [part.start for part in box])[:, ::-1].astype(float)
        values = denoised[box][tuple(inside.T)]
        centre, top = centres[number - 1], places[values.argmax()]
        reach = np.linalg.norm(places - centre, axis=1).max()
        if np.linalg.norm(centre - top) <= 1 and reach <= _LONGEST * radius:
            continue
        parts = _nearest_summit(places, values, summits[box][tuple(inside.T)], radius)
        part = result[box]
        for more in range(1, int(parts.max()) + 1):
            count += 1
            part[tuple(inside[parts == more].T)] = count
    return result


def _nearest_summit(
    places: Float[np.ndarray, "v 3"], values: Float[np.ndarray, " v"], summit: np.ndarray, radius: float
) -> Int[np.ndarray, " v"]:
    chosen = [places[values.argmax()]]
    for voxel in np.argsort(-values, kind="stable"):
        if summit[voxel] and np.linalg.norm(places[voxel] - chosen, axis=1).min() >= 2 * radius:
            chosen.append(places[voxel])
    return np.asarray(np.linalg.norm(places[:, None] - np.array(chosen), axis=2).argmin(axis=1))
