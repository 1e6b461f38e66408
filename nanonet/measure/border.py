"""What the border of the frame hides: large particles touch it more often, and are then left out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.measure.columns import LengthUnit

Field = tuple[float, float]
"""(y, x) lengths of a frame, in the unit of the table."""
_LEAST = 0.1
"""Of a side of the frame."""


def border_weights(
    rows: pd.DataFrame, fields: Mapping[str, Field], unit: LengthUnit
) -> Float[np.ndarray, " n"]:
    """Return the inverse of each particle's chance to lie whole inside its frame.

    A particle of extents a and b along the sides of a frame A x B lies inside with the chance
    (A - a) (B - b) / (A B), if it may lie anywhere (Miles, in Harding & Kendall, Stochastic Geometry, 1974,
    p. 228; Lantuéjoul, 1978). Particles may be turned any way: for both extents stands the mean width over
    all directions, the perimeter of the convex hull over pi (Cauchy's formula).

    Parameters
    ----------
    rows
        Of particles, with image, perimeter and convexity.
    fields
        The frame of each image.

    Returns
    -------
    weights
        From 1 to 100: what hardly finds room in its frame counts as if it had a tenth of it.
    """
    width = (rows[f"perimeter_{unit}"] * rows["convexity"] / np.pi).to_numpy(dtype=float)
    frames = np.array([fields[str(name)] for name in rows["image"]], dtype=float).reshape(-1, 2)
    free = np.maximum(frames - width[:, None], _LEAST * frames)
    return np.asarray((frames / free).prod(axis=1))
