"""Is there a picture in a frame: no NaN, not constant, not saturated."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError

SATURATED_FRACTION = 0.01


def check_frame(image: Float[np.ndarray, "y x"], name: str, frame: int) -> str | None:
    """Return a warning of one line where a frame is constant or saturated, else None.

    A frame counts as saturated where more than 1 % of its pixels have its largest value and that value is
    a plateau: more pixels have it than the next lower one. Counting noise thins out towards the largest
    value, so that a low dose with few distinct counts is not taken for saturation; clipping piles up there.

    Parameters
    ----------
    image
        Intensities (y, x).
    name, frame
        What to call it: the file's name and the index of the frame.

    Raises
    ------
    InputError
        If pixels are NaN or infinite.
    """
    bad = int(image.size - np.count_nonzero(np.isfinite(image)))
    if bad:
        raise InputError(f"frame {frame} of {name} has {bad} pixels that are NaN or infinite")
    highest = image.max()
    at_highest = int(np.count_nonzero(image == highest))
    if at_highest == image.size:
        return f"frame {frame} of {name} is constant (all pixels are {highest:g})"
    fraction = at_highest / image.size
    below = image[image < highest].max()
    if fraction > SATURATED_FRACTION and at_highest > np.count_nonzero(image == below):
        return f"frame {frame} of {name} is saturated: {100 * fraction:.1f} % of its pixels are {highest:g}"
    return None
