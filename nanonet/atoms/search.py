"""Atoms sought one by one in a map: maxima of the matched filter, up to a false-discovery rate."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree
from scipy.stats import norm

from nanonet.atoms.gaussian_atoms import GaussianAtoms
from nanonet.atoms.scene import Peaks, Scene, peaks_of, template_information, template_width, values_at

_LOWEST = 2.0
"""Scores below are not looked at: noise has such a maximum in each few Å³."""
_WIDTHS = (0.06, 0.1, 0.16, 0.25, 0.4, 0.6)
"""U [Å²] that are tried to begin with."""
_TOP = 100
_NEXT = 10
"""Atoms before and after one whose scores tell how dense true ones are."""


def usual_u_iso(scene: Scene) -> float:
    """Return the U [Å²], of a few, whose matched filter sees the brightest atoms best."""
    best = []
    for u_iso in _WIDTHS:
        scores = scene.scores(scene.density, u_iso)
        best.append(peaks_of(scores, scene.voxel_size, lowest=3.0).scores[:_TOP].sum())
    return _WIDTHS[int(np.argmax(best))]


def expected_maxima(scores: Float[np.ndarray, " n"], volume: float, width: float) -> Float[np.ndarray, " n"]:
    """Return how many maxima above each score noise alone has in a volume [Å³].

    The expected Euler characteristic of the excursion set of a Gaussian field in three dimensions, exact for
    high levels (Adler and Taylor, Random Fields and Geometry, 2007, theorem 12.4.2).
    """
    # The formula turns round at √3, below which there are hardly fewer.
    z = np.maximum(np.asarray(scores, dtype=float), np.sqrt(3))
    bulk = width**1.5 / (2 * np.pi) ** 2 * (z**2 - 1) * np.exp(-(z**2) / 2)
    return np.asarray(volume * bulk + norm.sf(z))


def false_discovery_rates(found: Peaks, volume: float, width: float) -> Float[np.ndarray, " n"]:
    """Return of each peak the share of false ones among all as high (Benjamini and Hochberg, 1995)."""
    rank = np.arange(1, len(found) + 1)
    rates = expected_maxima(found.scores, volume, width) / rank
    return np.asarray(np.minimum(np.minimum.accumulate(rates[::-1])[::-1], 1.0))


def local_false_discovery_rates(
    scores: Float[np.ndarray, " n"], volume: float, width: float
) -> Float[np.ndarray, " n"]:
    """Return of each of n scores, falling, the chance that just it is of noise (Efron, 2004).

    The false ones that noise puts between a score and those next to it, over the atoms that are there.
    """
    expected = expected_maxima(scores, volume, width)
    reach = min(_NEXT, max(len(scores) - 1, 0))
    above = expected[np.maximum(np.arange(len(scores)) - reach, 0)]
    below = expected[np.minimum(np.arange(len(scores)) + reach, len(scores) - 1)]
    return np.asarray(np.clip((below - above) / max(2 * reach, 1), 0, 1))


def new_atoms(
    scene: Scene,
    residual: Float[np.ndarray, "z y x"],
    where: Bool[np.ndarray, "z y x"],
    u_iso: float,
    *,
    known: Float[np.ndarray, "n 3"],
    apart: float,
    rate: float,
) -> GaussianAtoms:
    """Return what a residual shows of atoms that are not known yet.

    Parameters
    ----------
    where
        The voxels that are searched.
    u_iso
        U [Å²] of the filter, with which they begin.
    known
        Atoms that are there, (x, y, z) in Å.
    apart
        Å that two atoms are apart at least.
    rate
        False-discovery rate.
    """
    peaks = peaks_of(scene.scores(residual, u_iso), scene.voxel_size, lowest=_LOWEST)
    free = values_at(where, peaks.positions, scene.voxel_size)
    if len(known):
        free &= np.isinf(cKDTree(known).query(peaks.positions, distance_upper_bound=apart)[0])
    peaks = Peaks(positions=peaks.positions[free], scores=peaks.scores[free])
    volume = float(where.sum()) * scene.voxel_size**3
    rates = false_discovery_rates(peaks, volume, template_width(scene.noise, u_iso))
    peaks = Peaks(positions=peaks.positions[rates < rate], scores=peaks.scores[rates < rate])
    chosen = highest_apart(peaks, apart)
    weights = peaks.scores[chosen] / np.sqrt(template_information(scene.noise, u_iso))
    return GaussianAtoms(
        positions=peaks.positions[chosen], weights=weights, u_iso=np.full(len(weights), u_iso)
    )


def highest_apart(peaks: Peaks, apart: float) -> np.ndarray:
    """Return the numbers of the peaks that have no higher one nearer than ``apart`` [Å]."""
    kept = np.ones(len(peaks), dtype=bool)
    if len(peaks):
        for i, j in sorted(cKDTree(peaks.positions).query_pairs(apart)):
            if kept[i]:
                kept[j] = False
    return np.flatnonzero(kept)
