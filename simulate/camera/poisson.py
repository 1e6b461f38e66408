"""Poisson numbers by exact inversion of a normal number: twice as fast as rejection, with the same law."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

LEAST_MEAN = 4.0
"""Where the error bound begins to hold; below it numpy's own method is as fast."""
BLOCK = 8192
"""Pixels at a time, so that what is calculated of them stays in the processor's cache."""
FAR = 3.0
"""Standard deviations beyond which the expansion is not used."""


def poisson(mean: Float[np.ndarray, "*shape"], rng: np.random.Generator) -> Float[np.ndarray, "*shape"]:
    """Draw Poisson numbers, float32.

    Where all means are above `LEAST_MEAN`, a normal number z is turned into the Poisson number of the same
    probability: the asymptotic expansion of the inverse of the incomplete gamma function gives it to within
    a known error (M. B. Giles, ACM Trans. Math. Softw. 42 (2016) 7), and the few per cent of pixels
    where that error could reach over an integer, or z lies far out, are inverted exactly.
    """
    if mean.size == 0 or mean.min() < LEAST_MEAN:
        return rng.poisson(mean).astype(np.float32)
    z, means = rng.standard_normal(mean.size), np.ravel(mean)
    numbers = np.empty(mean.size, dtype=np.float32)
    for start in range(0, mean.size, BLOCK):
        part = slice(start, start + BLOCK)
        numbers[part] = _inverse(means[part].astype(np.float64), z[part])
    return numbers.reshape(mean.shape)


def _inverse(mean: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the smallest numbers whose cumulative probability is at least that of ``z``."""
    from scipy.special import ndtr, pdtr, pdtrik

    root, square = np.sqrt(mean), z * z
    place = mean + root * z + (square / 6 + 1 / 3)
    place -= z * (square / 72 + 1 / 36) / root
    place += (square * (square / 270 + 7 / 810) - 8 / 405) / mean
    error = (square * (square / 160 + 1 / 80) + 1 / 40) / mean
    numbers = np.floor(place)
    above = np.rint(place)
    unsure = np.nonzero(np.abs(place - above) < error)
    above = above[unsure]
    numbers[unsure] = above - (pdtr(above - 1, mean[unsure]) >= ndtr(z[unsure]))
    far = np.nonzero(square > FAR**2)
    # 1 - 1e-17 would be 1, and its number of counts without end.
    probability = np.minimum(ndtr(z[far]), 1 - 2**-53)
    numbers[far] = np.maximum(np.ceil(pdtrik(probability, mean[far]) - 1e-9), 0.0)
    return np.asarray(numbers)
