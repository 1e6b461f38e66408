"""Leave touching particles together: every connected piece of the mask is one particle."""

from __future__ import annotations

import numpy as np

from nanonet.segment.separation import Foreground, Separated


def unseparated(foreground: Foreground) -> Separated:
    """Return the pieces of a mask, which hang together over the edges of pixels; none was cut."""
    from skimage.measure import label

    pieces, number = label(foreground.mask, connectivity=1, return_num=True)
    none = np.zeros(number, dtype=bool)
    return Separated(labels=pieces.astype(np.int32), separated=none, flagged=none)
