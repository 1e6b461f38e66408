"""What a mask network learns of each pixel: whether it is in a particle, and how deep inside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int

from nanonet.heights import heights

_NEAR = 2
"""Pixels."""
_TOUCHING = 4.0


class MaskTargets(NamedTuple):
    """Maps of one image.

    Parameters
    ----------
    inside
        (y, x) 1 in particles, 0 beside them.
    height
        (y, x) how deep inside its particle each pixel lies, see `nanonet.heights`.
    weight
        (y, x) in the loss: 0 where the truth is not known, more than 1 where particles nearly touch, since
        few pixels decide there whether two are taken for one.
    """

    inside: Float32[np.ndarray, "y x"]
    height: Float32[np.ndarray, "y x"]
    weight: Float32[np.ndarray, "y x"]


def mask_targets(instances: Int[np.ndarray, "y x"]) -> MaskTargets:
    """Return what is to be learnt of an image.

    Parameters
    ----------
    instances
        (y, x) the particle on every pixel, 0 for none, -1 where it is not known.
    """
    positive = np.maximum(instances, 0)
    weight = np.where(_near_two(positive), _TOUCHING, 1.0) * (instances >= 0)
    return MaskTargets(
        inside=(positive > 0).astype(np.float32),
        height=heights(instances),
        weight=weight.astype(np.float32),
    )


def _near_two(labels: Int[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """Return which pixels have two particles near them."""
    from scipy.ndimage import maximum_filter, minimum_filter

    size = 2 * _NEAR + 1
    highest = maximum_filter(labels, size)
    lowest = minimum_filter(np.where(labels > 0, labels, np.iinfo(labels.dtype).max), size)
    return np.asarray((highest > 0) & (lowest < highest))
