"""How deep inside its particle every pixel lies: what tells touching particles apart."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int


def heights(instances: Int[np.ndarray, "y x"]) -> Float32[np.ndarray, "y x"]:
    """Return the distance to the outline of each pixel's own particle over the largest one in it.

    It is 1 in the middle of a particle of any size, near 0 where two touch, 0 beside particles. Distances are
    those to pixels of other particles, too, so that two that touch have a valley between them (as in the
    distance maps of Naylor et al., IEEE Trans. Med. Imaging 38 (2019) 448). The border of the image, and of
    what is known, is no outline.

    Parameters
    ----------
    instances
        (y, x) the particle on every pixel, 0 for none, -1 where it is not known.
    """
    from scipy.ndimage import distance_transform_edt, find_objects

    height = np.zeros(instances.shape, dtype=np.float32)
    for label, box in enumerate(find_objects(np.maximum(instances, 0)), start=1):
        if box is None:
            continue
        # One pixel around, so that the outline is in it; beyond the image there is none.
        around = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in box)
        own = instances[around] == label
        within = own | (instances[around] < 0)
        # A particle that fills the image has no outline: it is all middle.
        distance = np.ones(own.shape) if within.all() else distance_transform_edt(within)
        height[around][own] = distance[own] / distance[own].max()
    return height
