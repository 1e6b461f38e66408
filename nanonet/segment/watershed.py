"""Cut touching particles apart at their necks: watershed of the distance to the outline."""

from __future__ import annotations

import numpy as np

from nanonet.records import InputError
from nanonet.segment.basins import cut_at_passes
from nanonet.segment.separation import Foreground, Separated


def separate(foreground: Foreground, *, neck: float = 0.75) -> Separated:
    """Return the particles of a mask, cut at their necks.

    Every maximum of the distance to the outline starts a basin (Beucher and Meyer, 1993). Two basins stay
    apart where the pass between them is lower than ``neck`` times the lower of their two peaks: the neck is
    then narrower than that share of the smaller particle. Two discs of one radius r stay apart from a
    distance of their centres of 2 r sqrt(1 - neck²). What is narrower than ``foreground.smallest`` is not
    cut off.

    Parameters
    ----------
    neck
        0 cuts nothing, 1 cuts at every roughness of an outline.

    Raises
    ------
    InputError
        If the neck is not in 0..1.
    """
    from scipy.ndimage import distance_transform_edt

    if not 0.0 <= neck <= 1.0:
        raise InputError(f"neck must be in 0..1, got {neck}")
    distance = distance_transform_edt(foreground.mask).astype(np.float32)
    return cut_at_passes(foreground, distance, neck=neck, least=foreground.smallest / 2.0)
