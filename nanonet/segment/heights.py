"""Tell touching particles apart by the heights that a network predicts: watershed of the map."""

from __future__ import annotations

import numpy as np

from nanonet.records import InputError
from nanonet.segment.basins import cut_at_passes
from nanonet.segment.separation import Foreground, Separated

_SMOOTHING = 1.0
"""Standard deviation [px] that heights are smoothed with: maxima nearer than that are one."""


def separate(foreground: Foreground, *, neck: float = 0.6) -> Separated:
    """Return the particles of a mask, cut where the predicted height has a valley.

    The height is 1 in the middle of every particle and near 0 where two touch, however wide the neck between
    them: so particles come apart that overlap too much for their outline to show it. Two maxima stay apart
    where the pass between them is lower than ``neck`` times the lower one.

    Parameters
    ----------
    neck
        0 cuts nothing, 1 cuts at every dent of the map.

    Raises
    ------
    InputError
        If there is no map of heights, or the neck is not in 0..1.
    """
    from scipy.ndimage import gaussian_filter

    if foreground.height is None:
        raise InputError("separate=heights needs a network that predicts heights: give segment=network")
    if not 0.0 <= neck <= 1.0:
        raise InputError(f"neck must be in 0..1, got {neck}")
    height = gaussian_filter(foreground.height, _SMOOTHING).astype(np.float32)
    return cut_at_passes(foreground, height, neck=neck, least=0.0)
