"""What HAADF says of a map beforehand: no negative density, and nothing outside of the particle."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.ndimage import distance_transform_edt, gaussian_filter, label

_THRESHOLD = 0.2
"""Share of the smoothed map's 99.9th percentile that is taken for particle."""


def soft_mask(
    density: Float[np.ndarray, "n n n"], *, smooth: float = 2.0, margin: float = 3.0, edge: float = 4.0
) -> Float[np.ndarray, "n n n"]:
    """Return 1 on the largest piece of a map and around it, falling to 0 as a raised cosine.

    Parameters
    ----------
    smooth
        Standard deviation [voxel] of the Gaussian before the threshold.
    margin, edge
        Width of what is 1 around the piece, and of the fall [voxel].
    """
    smoothed = gaussian_filter(np.asarray(density, dtype=np.float32), smooth)
    inside = smoothed > _THRESHOLD * np.quantile(smoothed, 0.999)
    pieces, count = label(inside)
    if count > 1:
        inside = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    beyond = np.clip((distance_transform_edt(~inside) - margin) / edge, 0.0, 1.0)
    return np.asarray(0.5 * (1.0 + np.cos(np.pi * beyond)), dtype=np.float32)


def ball_mask(n: int, radius: float, edge: float = 4.0) -> Float[np.ndarray, "n n n"]:
    """Return 1 within a radius [voxel] of the centre, falling to 0 as a raised cosine."""
    beyond = np.clip((distances(n) - radius) / edge, 0.0, 1.0)
    return np.asarray(0.5 * (1.0 + np.cos(np.pi * beyond)), dtype=np.float32)


def distances(n: int) -> Float[np.ndarray, "n n n"]:
    """Return the distance of each voxel from voxel n // 2 [voxel]."""
    square = (np.arange(n) - n // 2.0) ** 2
    return np.asarray(np.sqrt(square[:, None, None] + square[:, None] + square))


def ball_like(density: Float[np.ndarray, "n n n"]) -> Float[np.ndarray, "n n n"]:
    """Return the map averaged over all rotations about its centre: the nearest body that has no shape."""
    distance = distances(density.shape[0])
    lower = distance.astype(int)
    share = distance - lower
    size = int(lower.max()) + 2
    total, weight = np.zeros(size), np.zeros(size)
    for ring, part in ((lower, 1 - share), (lower + 1, share)):
        total += np.bincount(ring.ravel(), (part * density).ravel(), minlength=size)
        weight += np.bincount(ring.ravel(), part.ravel(), minlength=size)
    profile = total / np.maximum(weight, 1e-12)
    return np.asarray((1 - share) * profile[lower] + share * profile[lower + 1])
