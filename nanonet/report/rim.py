"""How far sites lie from the outline of the particle, and from each other."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

FILLED = 0.5
"""Share of the frames that a site of the particle holds a column in; others lie outside of the outline."""


def rim_distance(
    positions: Float[np.ndarray, "n 2"], inside: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Return how deep each site lies within the convex outline of those ``inside``; negative outside of it.

    All are 0 where those inside span no area.
    """
    from scipy.spatial import ConvexHull, QhullError

    try:
        planes = ConvexHull(positions[inside]).equations
    except (QhullError, ValueError):
        return np.zeros(len(positions))
    return np.asarray(-(positions @ planes[:, :-1].T + planes[:, -1]).max(axis=1))


def rim_order(positions: Float[np.ndarray, "n 2"], depth: Int[np.ndarray, "n t"]) -> Int[np.ndarray, " n"]:
    """Return the numbers of the sites from outside inwards, by ``depth`` in every frame (0: empty)."""
    return np.argsort(rim_distance(positions, (depth > 0).mean(1) >= FILLED), kind="stable")


def spacing(positions: Float[np.ndarray, "n 2"]) -> float:
    """Return the median distance of a site to its nearest neighbour; 1 where there is a single site."""
    from scipy.spatial import cKDTree

    if len(positions) < 2:
        return 1.0
    return float(np.median(cKDTree(positions).query(positions, k=2)[0][:, 1]))
