"""Take specks and pinholes out of a mask, and nothing larger."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool


def disc_area(diameter: float) -> float:
    """Return the area of a disc."""
    return math.pi * diameter**2 / 4.0


def without_specks(mask: Bool[np.ndarray, "y x"], diameter: float) -> Bool[np.ndarray, "y x"]:
    """Return a mask without pieces and holes of less than the area of a disc of ``diameter`` [px].

    Pieces and holes hang together over the edges of pixels, not over their corners. What opens to the edge of
    the frame is no hole.
    """
    from skimage.measure import label

    area = disc_area(diameter)
    if area <= 1.0 or not mask.size:
        return mask
    gaps = label(~mask, connectivity=1)
    hole = np.bincount(gaps.ravel()) < area
    hole[0] = False
    for edge in (gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]):
        hole[edge] = False
    filled = mask | hole[gaps]
    pieces = label(filled, connectivity=1)
    large = np.bincount(pieces.ravel()) >= area
    large[0] = False
    return np.asarray(large[pieces])
