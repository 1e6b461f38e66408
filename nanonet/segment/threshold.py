"""Where particles end: automatic thresholds, and whether particles are brighter or darker."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float

from nanonet.records import InputError, Modality

Threshold = Literal["li", "otsu", "isodata", "triangle", "yen", "mean", "minimum"]
Contrast = Literal["auto", "bright", "dark"]

_BRIGHT = ("HAADF", "ADF", "SEM")
_ENOUGH = 256
"""Pixels a side from which a threshold is found; of a larger image every n-th pixel is taken."""

_COARSE = 256
"""Pixels a side at which bright and dark are told apart."""

_LARGEST = 64
_SPECK = 12
"""Number of pieces that are looked at, and pixels below which a piece has no shape."""


def find_threshold(image: Float[np.ndarray, "y x"], method: Threshold) -> float:
    """Return the threshold between background and bright particles by a method of scikit-image.

    "li" is the minimum cross entropy (Li and Tam, Pattern Recognit. Lett. 19, 771 (1998)).

    Raises
    ------
    InputError
        If the method is not known, or finds no threshold ("minimum" needs two peaks in the histogram).
    """
    from skimage import filters

    if method not in get_args(Threshold):
        raise InputError(f"threshold must be one of {', '.join(get_args(Threshold))}, got {method!r}")
    step = max(1, min(image.shape) // _ENOUGH)
    try:
        return float(getattr(filters, f"threshold_{method}")(image[::step, ::step]))
    except RuntimeError:
        raise InputError(f"threshold={method} finds no two peaks in the image; use threshold=li") from None


def particles_are_bright(image: Float[np.ndarray, "y x"], modality: Modality | None) -> bool:
    """Return whether particles are brighter than what surrounds them.

    They are in HAADF, ADF and SEM, and not in HRTEM, BF-TEM and BF-STEM. Where the modality is unknown they
    are the side of Otsu's threshold that looks more like particles: its pieces are more convex, and it takes
    up less of the edge of the frame. Twice the mean solidity of its pieces less its share of the edge
    decides; on 366 published micrographs that was right in 93 %, on the bright-field ones in 99 %.

    Parameters
    ----------
    image
        Smoothed intensities.
    modality
        As the file gives it.
    """
    if modality is not None:
        return modality in _BRIGHT
    step = max(1, max(image.shape) // _COARSE)
    coarse = image[::step, ::step]
    bright = coarse > find_threshold(coarse, "otsu")
    return _likeness(bright) >= _likeness(~bright)


def _likeness(mask: Bool[np.ndarray, "y x"]) -> float:
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return 2.0 * _solidity(mask) - float(edge.mean())


def _solidity(mask: Bool[np.ndarray, "y x"]) -> float:
    """Return the area of the largest pieces over that of their convex hulls, weighted by area."""
    from scipy.ndimage import find_objects
    from skimage.measure import label

    pieces = label(mask, connectivity=1)
    area = np.bincount(pieces.ravel())[1:]
    boxes = find_objects(pieces)
    solid = total = 0.0
    for index in np.argsort(area, kind="stable")[::-1][:_LARGEST]:
        if area[index] >= _SPECK:
            solid += area[index] ** 2 / _hull_area(pieces[boxes[index]] == index + 1)
            total += area[index]
    return solid / total if total else 0.0


def _hull_area(mask: Bool[np.ndarray, "y x"]) -> float:
    """Return the area of the convex hull of the pixels of a mask, which are squares."""
    from scipy.spatial import ConvexHull

    rows = np.flatnonzero(mask.any(axis=1))
    left = mask[rows].argmax(axis=1)
    right = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    corners = [
        (row + down, side)
        for down in (0, 1)
        for ends in (left, right)
        for row, side in zip(rows, ends, strict=True)
    ]
    return float(ConvexHull(np.array(corners)).volume)
