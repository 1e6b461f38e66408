"""The pixel labels of a crystal on a zone axis: which column a pixel belongs to, and how surely."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import InputError

REACH = 4.0
"""Label widths beyond which a pixel is background: there the membership is below exp(-8)."""


class ColumnLabels(NamedTuple):
    """Labels of one image.

    Parameters
    ----------
    depth
        Depth class of the nearest column, 0 where no column is near.
    membership
        Chance that the pixel belongs to that column rather than to the background, 0..1.
    weight
        How much the pixel counts in the loss.
    centre
        True at the pixel nearest to each column.
    """

    depth: Int[np.ndarray, "y x"]
    membership: Float[np.ndarray, "y x"]
    weight: Float[np.ndarray, "y x"]
    centre: Bool[np.ndarray, "y x"]


def label_columns(
    positions: Float[np.ndarray, "n 2"],
    depths: Int[np.ndarray, " n"],
    *,
    shape: tuple[int, int],
    pixel_size: float,
    width: float = 0.6,
    max_depth: int = 10,
    column_weight: float = 5.0,
) -> ColumnLabels:
    """Return soft depth labels: a pixel at distance r of its nearest column belongs to it by exp(-r² / 2 w²).

    The class of the column is hard, its border with the background is soft, so that the network's chance of
    background falls smoothly towards a column's centre and the position can be read to a part of a pixel.

    Parameters
    ----------
    positions
        Column positions (y, x) [Å] from the centre of the first pixel; those outside the image count too.
    depths
        Atoms in each column, >= 1.
    shape
        (y, x) of the image.
    pixel_size
        [Å].
    width
        Standard deviation w of the label of a column [Å].
    max_depth
        Deeper columns are labelled with this class.
    column_weight
        Weight in the loss of a column's centre; the background weighs 1.

    Raises
    ------
    InputError
        If positions and depths differ in number, a depth is below 1, or the width is not positive.
    """
    _require_columns(positions, depths, width, max_depth)
    if not len(positions):
        zeros = np.zeros(shape, np.float32)
        return ColumnLabels(zeros.astype(np.int64), zeros, zeros + 1, zeros.astype(bool))
    distance, nearest = _nearest(positions, shape, pixel_size, REACH * width)
    classes = np.append(np.minimum(depths, max_depth), 0).astype(np.int64)  # the last is "no column near"
    membership = np.exp(-(distance**2) / (2 * width**2)).astype(np.float32)
    return ColumnLabels(
        depth=classes[nearest],
        membership=membership,
        weight=1 + np.float32(column_weight - 1) * membership,
        centre=_centres(positions, shape, pixel_size),
    )


def _require_columns(positions: np.ndarray, depths: np.ndarray, width: float, max_depth: int) -> None:
    if len(positions) != len(depths):
        raise InputError(
            f"each column needs a depth: got {len(positions)} positions and {len(depths)} depths"
        )
    if len(depths) and np.min(depths) < 1:
        raise InputError(f"the depth of a column must be at least 1 atom, got {np.min(depths)}")
    if width <= 0:
        raise InputError(f"the label width must be positive, got {width} Å")
    if max_depth < 1:
        raise InputError(f"max_depth must be at least 1, got {max_depth}")


def _nearest(
    positions: np.ndarray, shape: tuple[int, int], pixel_size: float, reach: float
) -> tuple[Float[np.ndarray, "y x"], Int[np.ndarray, "y x"]]:
    """Return distance [Å] and index of each pixel's nearest column; inf and n where none is within reach."""
    half = int(np.ceil(reach / pixel_size))
    dy, dx = (part.ravel() for part in np.mgrid[-half : half + 1, -half : half + 1])
    places = positions / pixel_size
    corner = np.rint(places).astype(int)
    y, x = corner[:, :1] + dy, corner[:, 1:] + dx
    square = (y - places[:, :1]) ** 2 + (x - places[:, 1:]) ** 2
    near = (square < (reach / pixel_size) ** 2) & (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    pixel, square = (y * shape[1] + x)[near], square[near]
    least = np.full(shape[0] * shape[1], np.inf)
    np.minimum.at(least, pixel, square)
    first = square == least[pixel]
    nearest = np.full(least.size, len(positions))
    nearest[pixel[first]] = np.nonzero(near)[0][first]
    return pixel_size * np.sqrt(least).reshape(shape), nearest.reshape(shape)


def _centres(positions: np.ndarray, shape: tuple[int, int], pixel_size: float) -> Bool[np.ndarray, "y x"]:
    pixels = np.rint(positions / pixel_size).astype(int)
    pixels = pixels[np.all((pixels >= 0) & (pixels < shape), axis=1)]
    centre = np.zeros(shape, bool)
    centre[pixels[:, 0], pixels[:, 1]] = True
    return centre
