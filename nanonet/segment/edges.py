"""Put the outline of each particle at half of its own height.

A threshold for the whole frame finds particles but does not say where they end: Li's lies at a third of the
height where the background is dark, which makes a particle wider by about the width of the smoothing, and
above a faint particle's half height where others are bright.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int

from nanonet.segment.significance import surroundings


def half_height(
    image: Float[np.ndarray, "y x"], labels: Int[np.ndarray, "y x"], *, reach: float
) -> tuple[Int[np.ndarray, "y x"], Float[np.ndarray, " label"]]:
    """Return labels whose outlines are at half height, and that level for each; the first one is infinite.

    The height of a particle is its mean, without its blurred rim, over the background about it. The outline
    moves by no more than ``reach`` to either side, so that what is dark inside stays inside.

    Parameters
    ----------
    image
        Smoothed image, particles bright.
    labels
        Regions 1..n without gaps.
    reach
        In pixels. A threshold at a tenth of the height lies 1.3 sigma of the smoothing off.
    """
    from scipy.ndimage import maximum_filter

    if not labels.any():
        return labels, np.array([np.inf])
    outside = surroundings(image, labels)
    level = np.concatenate([[np.inf], 0.5 * (_inside(image, labels, outside) + outside)])
    size = 2 * math.ceil(reach) + 1
    grown = np.where(labels > 0, labels, maximum_filter(labels, size=size))
    core = ~maximum_filter(labels == 0, size=size)
    return np.where(core | (image > level[grown]), grown, 0), level


def _inside(
    image: Float[np.ndarray, "y x"], labels: Int[np.ndarray, "y x"], outside: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Return the mean of each region, over those of its pixels that are above half of its mean height."""
    index = labels[labels > 0] - 1
    values = image[labels > 0]
    mean = np.bincount(index, weights=values) / np.bincount(index)
    top = values >= np.minimum(0.5 * (mean + outside), mean)[index]
    return np.bincount(index[top], weights=values[top]) / np.bincount(index[top])
