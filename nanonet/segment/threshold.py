"""Where particles end: automatic thresholds, and whether particles are brighter or darker."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError, Modality

Threshold = Literal["li", "otsu", "isodata", "triangle", "yen", "mean", "minimum"]
Contrast = Literal["auto", "bright", "dark"]

_BRIGHT = ("HAADF", "ADF", "SEM")
_ENOUGH = 512
"""Pixels a side from which a threshold is found; of a larger image every n-th pixel is taken."""


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
    are taken to be the side of Otsu's threshold that covers less of the edge of the frame, or, where both
    cover it alike (within a tenth), less of the frame.

    Parameters
    ----------
    image
        Smoothed intensities.
    modality
        As the file gives it.
    """
    if modality is not None:
        return modality in _BRIGHT
    bright = image > find_threshold(image, "otsu")
    edge = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]]).mean()
    return bool(edge < 0.5)
