"""A frame at the size of a screen, with what was found in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from nanonet.records import ColumnTable, Micrograph

STRETCH = (0.5, 99.5)
"""Percentiles of the shown pixels that become black and white."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A frame as the report shows it.

    Parameters
    ----------
    image
        Grey values (y, x), stretched to 0..255.
    name
        File name of the image or movie.
    frame
        Index of the frame in its series, from 0.
    pixel_size
        Å per pixel of ``image``; None where lengths are measured in pixels.
    labels
        Instances (y, x) of the shape of ``image``; 0 is background.
    points
        (n, 2) positions (y, x) in pixels of ``image``, from the centre of its first pixel.
    values
        (n,) what the colour of each point says (depth, in atoms), NaN where not known.
    ids
        (n,) the ``column_id`` of each point.
    """

    image: UInt8[np.ndarray, "y x"]
    name: str
    frame: int
    pixel_size: float | None = None
    labels: Int[np.ndarray, "y x"] | None = None
    points: Float[np.ndarray, "n 2"] | None = None
    values: Float[np.ndarray, " n"] | None = None
    ids: Int[np.ndarray, " n"] | None = None


def make_preview(
    micrograph: Micrograph,
    *,
    label_map: Int[np.ndarray, "y x"] | None = None,
    table: ColumnTable | None = None,
    max_side: int = 720,
) -> Preview:
    """Return a frame averaged down to at most ``max_side`` pixels a side, with labels and columns to match.

    Parameters
    ----------
    label_map
        Instances at the size of the frame; the label under the centre of each shown pixel is kept.
    table
        Columns, of this frame or of many; positions in Å (``y_angstrom``) or in pixels (``y_px``).

    Raises
    ------
    ValueError
        If ``label_map`` is not of the shape of the frame, or ``max_side`` is below 1.
    """
    if max_side < 1:
        raise ValueError(f"max_side must be at least 1 pixel, got {max_side}")
    if label_map is not None and label_map.shape != micrograph.image.shape:
        raise ValueError(f"labels {label_map.shape} and image {micrograph.image.shape} differ in shape")
    factor = max(1.0, max(micrograph.image.shape) / max_side)
    image = _shrink(micrograph.image, factor)
    points, values, ids = _columns(micrograph, table, factor) if table is not None else (None, None, None)
    return Preview(
        image=_stretch(image),
        name=micrograph.name,
        frame=micrograph.frame,
        pixel_size=None if micrograph.pixel_size is None else micrograph.pixel_size * factor,
        labels=None if label_map is None else _nearest(label_map, image.shape),
        points=points,
        values=values,
        ids=ids,
    )


def _shrink(image: np.ndarray, factor: float) -> np.ndarray:
    """Average pixels (a window of ``factor`` pixels); pixels that are not finite become the darkest."""
    from PIL import Image

    image = np.asarray(image, dtype=np.float32)
    finite = np.isfinite(image)
    image = np.where(finite, image, image[finite].min() if finite.any() else 0.0)
    if factor == 1.0:
        return image
    height, width = (max(1, round(side / factor)) for side in image.shape)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))


def _nearest(labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(shape, labels.shape, strict=True)
    )
    return np.asarray(labels[np.ix_(rows, columns)])


def _stretch(image: np.ndarray) -> np.ndarray:
    low, high = np.percentile(image, STRETCH)
    if high <= low:
        low, high = float(image.min()), float(image.max())
    if high <= low:
        return np.full(image.shape, 128, dtype=np.uint8)
    scaled = (image.astype(np.float64) - low) / (high - low)
    return np.asarray(np.clip(scaled, 0, 1) * 255).round().astype(np.uint8)


def _columns(
    micrograph: Micrograph, table: ColumnTable, factor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return positions in shown pixels, depths and ids of the columns of this frame."""
    data = table.data[table.data["frame"] == micrograph.frame] if "frame" in table.data else table.data
    in_pixels = "y_px" in data
    names, unit = (
        (["y_px", "x_px"], 1.0) if in_pixels else (["y_angstrom", "x_angstrom"], micrograph.pixel_size)
    )
    if unit is None:
        raise ValueError("columns measured in Å need a micrograph with a pixel size")
    pixels = data[names].to_numpy(dtype=float, na_value=np.nan) / unit
    depth = (
        data["depth"].to_numpy(dtype=float, na_value=np.nan)
        if "depth" in data
        else np.full(len(data), np.nan)
    )
    ids = data["column_id"].to_numpy(dtype=int) if "column_id" in data else None
    return (pixels + 0.5) / factor - 0.5, depth, ids
