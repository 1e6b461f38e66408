"""Images of particles cut to what a map of them needs: what lies around costs time, and tells nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.fft import next_fast_len

from nanonet.records import ParticleImages

_EDGE = 5
"""Pixels around the particles' circle: for soft masks."""


@dataclass(frozen=True)
class CloseUp:
    """Cut images, and the particles' centres (y, x) [pixel] from their pixel m // 2."""

    particles: ParticleImages
    centre: Float[np.ndarray, "n 2"]


def close_up(particles: ParticleImages, centre: Float[np.ndarray, "n 2"], radius: float) -> CloseUp:
    """Return images that hold a circle around each particle; of small ones much less than was cut out first.

    Parameters
    ----------
    centre
        (y, x) from pixel n // 2 [pixel].
    radius
        Of the circle [pixel].
    """
    images = np.asarray(particles.images)
    n = images.shape[1]
    side = 2 * next_fast_len(int(np.ceil(radius)) + _EDGE)
    if side >= n:
        return CloseUp(particles, centre)
    whole = np.round(centre).astype(int)
    room = (side, side)
    padded = np.pad(images, ((0, 0), room, room))
    first = n // 2 + whole - side // 2 + side
    cut = np.stack([image[y : y + side, x : x + side] for image, (y, x) in zip(padded, first, strict=True)])
    return CloseUp(replace(particles, images=cut), centre - whole)


def widened(density: Float[np.ndarray, "m m m"], side: int) -> Float[np.ndarray, "n n n"]:
    """Return a map in a cube of more voxels, its centre at voxel n // 2, with 0 around it."""
    m = density.shape[0]
    before = side // 2 - m // 2
    return np.pad(density, (before, side - m - before))
