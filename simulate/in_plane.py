"""How a crystal on a zone axis is turned about the beam, told by where its columns are."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_REACH = 2.3  # of the spacing of columns: neighbours so near make up the pattern
_MOST = 50  # columns that a pattern is made of
_COARSE = 1.5  # degrees
_SHARP = 0.08  # of the spacing: by how much neighbours may be off and still agree


def spacing(positions: Float[np.ndarray, "n 2"]) -> float:
    """Return the median distance of columns to the nearest other [Å]; infinity for less than two."""
    from scipy.spatial import cKDTree

    if len(positions) < 2:
        return float("inf")
    return float(np.median(cKDTree(positions).query(positions, k=2)[0][:, 1]))


def neighbours(positions: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m 2"]:
    """Return the pattern of a crystal: vectors (y, x) from columns to those near them, in their spacings."""
    from scipy.spatial import cKDTree

    if len(positions) < 2:
        return np.zeros((0, 2))
    unit = spacing(positions)
    some = positions[:: max(1, len(positions) // _MOST)]
    near = cKDTree(positions).query_ball_point(some, _REACH * unit)
    vectors = np.concatenate([positions[js] - p for js, p in zip(near, some, strict=True)]) / unit
    return np.asarray(vectors[np.hypot(*vectors.T) > 0.5])


def turn_between(
    pattern: Float[np.ndarray, "n 2"], reference: Float[np.ndarray, "m 2"]
) -> tuple[float, float]:
    """Return the angle [rad] that turns one pattern of neighbours onto another, and how well it does.

    Of angles that do it alike, as those that a symmetry of the pattern joins, one is taken.

    Parameters
    ----------
    pattern, reference
        Vectors (y, x) of `neighbours`.

    Returns
    -------
    angle
        From x towards y.
    agreement
        0 to 1: share of the vectors that meet one of the reference, near misses counted in part.
    """
    from scipy.spatial import cKDTree

    if not len(pattern) or not len(reference):
        return 0.0, 0.0
    tree = cKDTree(reference)

    def agreement(angle: float) -> float:
        off = tree.query(turned(pattern, angle))[0]
        return float(np.exp(-(off**2) / (2 * _SHARP**2)).mean())

    angles = np.radians(np.arange(0.0, 360.0, _COARSE))
    best = float(angles[int(np.argmax([agreement(angle) for angle in angles]))])
    for step in np.radians([0.3, 0.1, 0.03]):
        best = max(best + step * np.arange(-4, 5), key=agreement)
    return float(best), agreement(best)


def turned(vectors: Float[np.ndarray, "*n 2"], angle: float) -> Float[np.ndarray, "*n 2"]:
    """Return vectors (y, x) turned by an angle [rad] from x towards y."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.asarray(vectors @ np.array([[cosine, -sine], [sine, cosine]]))
