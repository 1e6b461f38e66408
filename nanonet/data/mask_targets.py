"""What a mask network learns of each pixel: whether it is in a particle, and how deep inside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int

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
        (y, x) distance to the outline of the pixel's own particle over the largest one in it: 1 in the middle
        of a particle of any size, near 0 where two touch, 0 beside particles.
    weight
        (y, x) in the loss: 0 where the truth is not known, more than 1 where particles nearly touch, since
        few pixels decide there whether two are taken for one.
    """

    inside: Float32[np.ndarray, "y x"]
    height: Float32[np.ndarray, "y x"]
    weight: Float32[np.ndarray, "y x"]


def mask_targets(instances: Int[np.ndarray, "y x"]) -> MaskTargets:
    """Return what is to be learnt of an image.

    Distances are those to pixels of other particles, too, so that two that touch have a valley between them
    (as in the distance maps of Naylor et al., IEEE Trans. Med. Imaging 38 (2019) 448). The border of the
    image, and of what is known, is no outline.

    Parameters
    ----------
    instances
        (y, x) the particle on every pixel, 0 for none, -1 where it is not known.
    """
    from scipy.ndimage import distance_transform_edt, find_objects

    positive = np.maximum(instances, 0)
    height = np.zeros(instances.shape, dtype=np.float32)
    for label, box in enumerate(find_objects(positive), start=1):
        if box is None:
            continue
        # One pixel around, so that the outline is in it; beyond the image there is none.
        around = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in box)
        own = positive[around] == label
        within = own | (instances[around] < 0)
        # A particle that fills the image has no outline: it is all middle.
        distance = np.ones(own.shape) if within.all() else distance_transform_edt(within)
        height[around][own] = distance[own] / distance[own].max()
    weight = np.where(_near_two(positive), _TOUCHING, 1.0) * (instances >= 0)
    return MaskTargets(
        inside=(positive > 0).astype(np.float32), height=height, weight=weight.astype(np.float32)
    )


def _near_two(labels: Int[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """Return which pixels have two particles near them."""
    from scipy.ndimage import maximum_filter, minimum_filter

    size = 2 * _NEAR + 1
    highest = maximum_filter(labels, size)
    lowest = minimum_filter(np.where(labels > 0, labels, np.iinfo(labels.dtype).max), size)
    return np.asarray((highest > 0) & (lowest < highest))
