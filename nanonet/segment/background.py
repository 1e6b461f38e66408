"""Background by a rolling ball (Sternberg, Computer 16, 22 (1983)), on a shrunken image as ImageJ does."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

_SHRUNKEN_RADIUS = 10.0
"""Radius [px] below which the ball is not shrunken further."""

_BALL_HEIGHT = 0.2
"""Height of the ball in units of the range of intensities: a ball of 50 px on 8-bit data has 50 / 255."""

_RANGE = (1.0, 99.0)


def rolling_ball(image: Float[np.ndarray, "y x"], *, radius: float) -> Float[np.ndarray, "y x"]:
    """Return the background under bright particles: the highest points of a ball rolled along the underside.

    Parameters
    ----------
    image
        Smoothed intensities; a single noisy pixel would lift or lower the ball.
    radius
        Radius of the ball [px], larger than the radius of the largest particle. Its height is a fixed share
        of the range of intensities, so that a gain of the detector changes nothing.

    Returns
    -------
    numpy.ndarray
        Background, nowhere above the image. Balls of more than 20 px roll over the minima of blocks of
        pixels, and what lies between is interpolated.
    """
    from skimage.restoration import ellipsoid_kernel
    from skimage.restoration import rolling_ball as roll

    low, high = np.percentile(image, _RANGE)
    if high <= low:
        return np.full_like(image, image.min())
    block = max(1, int(radius / _SHRUNKEN_RADIUS))
    small = block_minimum(image, block)
    side = 2 * round(radius / block) + 1
    kernel = ellipsoid_kernel((side, side), 2.0 * _BALL_HEIGHT * (high - low))
    ball = roll(small, kernel=kernel)
    return np.asarray(np.minimum(enlarge(ball, block, image.shape), image))


def block_minimum(image: Float[np.ndarray, "y x"], block: int) -> Float[np.ndarray, "v u"]:
    """Return the minima of blocks of ``block`` x ``block`` pixels; the last ones may be smaller."""
    return np.asarray(_blocks(image, block).min(axis=(1, 3)))


def block_mean(image: Float[np.ndarray, "y x"], block: int) -> Float[np.ndarray, "v u"]:
    """Return the means of blocks of ``block`` x ``block`` pixels; the last ones are filled by their edge."""
    return image if block == 1 else _blocks(image, block).mean(axis=(1, 3))


def _blocks(image: Float[np.ndarray, "y x"], block: int) -> Float[np.ndarray, "v block u block"]:
    rows, columns = (-size % block for size in image.shape)
    filled = np.pad(image, ((0, rows), (0, columns)), mode="edge")
    return filled.reshape(filled.shape[0] // block, block, filled.shape[1] // block, block)


def enlarge(small: Float[np.ndarray, "v u"], block: int, shape: tuple[int, ...]) -> Float[np.ndarray, "y x"]:
    """Return block values at every pixel, linear between the centres of the blocks."""
    if block == 1:
        return small
    rows = _between(small.shape[0], block, shape[0])
    columns = _between(small.shape[1], block, shape[1])
    return np.asarray(rows @ (columns @ small.T).T, dtype=small.dtype)


def _between(blocks: int, block: int, size: int) -> Any:
    """Return the sparse matrix (size, blocks) that interpolates from the centres of blocks to pixels."""
    from scipy.sparse import csr_array

    at = np.clip((np.arange(size) - (block - 1) / 2.0) / block, 0.0, blocks - 1.0)
    left = np.minimum(at.astype(np.int64), max(blocks - 2, 0))
    right = np.minimum(left + 1, blocks - 1)
    share = (at - left).astype(np.float32)
    index = np.arange(size)
    values = np.concatenate([1.0 - share, share])
    entries = (np.concatenate([index, index]), np.concatenate([left, right]))
    return csr_array((values, entries), shape=(size, blocks))
