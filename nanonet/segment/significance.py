"""How sure one can be that a region stands out, when noise alone also passes a threshold."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

_QUARTILE = 0.31864 * np.sqrt(2.0)
"""Lower quartile of the absolute difference of two independent Gaussian values of unit variance."""

_ENOUGH = 256
"""Pixels a side from which the noise is read; of a larger image every n-th pixel is taken."""

_UNSURE = 0.1
"""Error of background and noise level themselves, in units of the noise: it does not fall with the area."""

_BLOCK = 8
_ROUNDS = 20


def noise_level(image: Float[np.ndarray, "y x"], sigma: float) -> float:
    """Return the standard deviation of the noise in a smoothed image.

    It is read from the differences of pixels 4 sigma apart, which share no noise. Their lower quartile is
    little disturbed by particles, and it holds for correlated noise and for the grain of a support too.

    Parameters
    ----------
    image
        Smoothed image without its background.
    sigma
        Of the Gaussian that smoothed it [px].
    """
    lag = min(max(1, round(4.0 * sigma)), min(image.shape) - 1)
    if lag < 1:
        return 0.0
    step = max(1, min(image.shape) // _ENOUGH)
    down = image[lag::step, ::step] - image[:-lag:step, ::step]
    right = image[::step, lag::step] - image[::step, :-lag:step]
    return float(np.percentile(np.abs(np.concatenate([down.ravel(), right.ravel()])), 25.0) / _QUARTILE)


def confidence(
    image: Float[np.ndarray, "y x"],
    labels: Int[np.ndarray, "y x"],
    *,
    threshold: Float[np.ndarray, "y x"],
    sigma: float,
) -> Float[np.ndarray, " n"]:
    """Return for each region the chance that noise did not make it.

    The pixels of a region were chosen because they pass the threshold t: noise of standard deviation s about
    a background b that does so has the mean b + s φ(a) / Q(a), a = (t - b) / s, with the normal density φ and
    its upper tail Q. What the region's mean exceeds this by, in units of its error, is its significance z;
    the error is s / sqrt(N), N the region's area in patches of independent noise, 4 π sigma², and with it a
    tenth of s, since neither b nor s is known better. The chance is 1 - M Q(z) with M patches in the frame
    (Bonferroni), at least 0. It says that something is there, not that it is a particle.

    Parameters
    ----------
    image
        Smoothed image with its background, particles bright.
    labels
        Regions 1..n of ``image > threshold``.
    threshold
        At each pixel: background plus the height at which a particle begins.
    sigma
        Of the Gaussian that smoothed the image [px].
    """
    from scipy.special import log_ndtr, ndtr

    area = np.bincount(labels.ravel())[1:]
    noise = noise_level(image, sigma)
    if not len(area) or noise == 0.0:
        return np.ones(len(area))
    patch = 4.0 * np.pi * sigma**2
    mean = np.bincount(labels.ravel(), weights=image.ravel())[1:] / area
    level = np.bincount(labels.ravel(), weights=threshold.ravel())[1:] / area
    above = (level - _background(surroundings(image, labels), level, noise)) / noise
    by_chance = np.exp(-0.5 * above**2 - log_ndtr(-above)) / np.sqrt(2.0 * np.pi)
    excess = (mean - level) / noise + above - by_chance
    z = excess / np.sqrt(1.0 / np.maximum(area / patch, 1.0) + _UNSURE**2)
    return np.asarray(1.0 - np.minimum(image.size / patch * ndtr(-z), 1.0))


def _background(
    seen: Float[np.ndarray, " n"], threshold: Float[np.ndarray, " n"], noise: float
) -> Float[np.ndarray, " n"]:
    """Return the level about each region from what is ``seen``: the mean of what is below the threshold."""
    from scipy.special import log_ndtr

    level = seen
    for _ in range(_ROUNDS):
        above = (threshold - level) / noise
        level = seen + noise * np.exp(-0.5 * above**2 - log_ndtr(above)) / np.sqrt(2.0 * np.pi)
    return level


def surroundings(image: Float[np.ndarray, "y x"], labels: Int[np.ndarray, "y x"]) -> Float[np.ndarray, " n"]:
    """Return the mean of the background about the outline of each region, within some blocks of 8 pixels."""
    from scipy.ndimage import gaussian_filter

    outside = labels == 0
    if not outside.any():
        return np.full(int(labels.max()), image.min())
    share = gaussian_filter(_block_sum(outside.astype(np.float32)), 2.0, mode="constant")
    total = gaussian_filter(_block_sum(np.where(outside, image, 0.0)), 2.0, mode="constant")
    level = np.where(share > 1e-3, total / np.maximum(share, 1e-3), image[outside].mean())
    row, column = np.nonzero(_outline(labels))
    at = labels[row, column]
    number = np.bincount(at)[1:]
    return np.asarray(np.bincount(at, weights=level[row // _BLOCK, column // _BLOCK])[1:] / number)


def _block_sum(image: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "v u"]:
    rows, columns = (-size % _BLOCK for size in image.shape)
    filled = np.pad(image, ((0, rows), (0, columns)))
    shape = (filled.shape[0] // _BLOCK, _BLOCK, filled.shape[1] // _BLOCK, _BLOCK)
    return np.asarray(filled.reshape(shape).sum(axis=(1, 3)))


def _outline(labels: Int[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """Return the pixels of regions next to another label or to the edge of the frame."""
    around = np.pad(labels, 1)
    inner = around[1:-1, 1:-1]
    differs = (
        (around[:-2, 1:-1] != inner)
        | (around[2:, 1:-1] != inner)
        | (around[1:-1, :-2] != inner)
        | (around[1:-1, 2:] != inner)
    )
    return np.asarray((labels > 0) & differs)
