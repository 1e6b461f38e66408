"""A frame at the size of a screen, with what was found in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from nanonet.records import ColumnTable, Micrograph
from nanonet.report.history import History
from nanonet.report.neighbour_mean import neighbour_mean
from nanonet.report.shown_columns import ShownColumns, shown_columns
from nanonet.report.window import WHOLE, window_of

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
    mean
        Mean over neighbouring frames, of the shape of ``image``; None where the frame has none.
    labels
        Instances (y, x) of the shape of ``image``; 0 is background.
    columns
        Atomic columns.
    """

    image: UInt8[np.ndarray, "y x"]
    name: str
    frame: int
    pixel_size: float | None = None
    mean: UInt8[np.ndarray, "y x"] | None = None
    labels: Int[np.ndarray, "y x"] | None = None
    columns: ShownColumns | None = None


def make_preview(
    micrograph: Micrograph,
    *,
    label_map: Int[np.ndarray, "y x"] | None = None,
    table: ColumnTable | None = None,
    history: History | None = None,
    max_side: int = 720,
) -> Preview:
    """Return a frame averaged down to at most ``max_side`` pixels a side, with labels and columns to match.

    Parameters
    ----------
    label_map
        Instances at the size of the frame; the label under the centre of each shown pixel is kept.
    table
        Columns, of this frame or of many; positions in Å (``y_angstrom``) or in pixels (``y_px``).
    history
        Of the movie that the frame is of: it adds the mean over neighbouring frames, laid onto this one, and
        what is known of each site; where the sites fill but a part of the frame, only that part is shown.

    Raises
    ------
    ValueError
        If ``label_map`` is not of the shape of the frame, or ``max_side`` is below 1.
    """
    if max_side < 1:
        raise ValueError(f"max_side must be at least 1 pixel, got {max_side}")
    if label_map is not None and label_map.shape != micrograph.image.shape:
        raise ValueError(f"labels {label_map.shape} and image {micrograph.image.shape} differ in shape")
    window = WHOLE if history is None or label_map is not None else window_of(history, micrograph)
    image = window.cut(micrograph.image)
    factor = max(1.0, max(image.shape) / max_side)
    shown = _shrink(image, factor)
    mean = None if history is None else neighbour_mean(micrograph, history)
    columns = None if table is None else shown_columns(micrograph, table, history)
    return Preview(
        image=_stretch(shown),
        name=micrograph.name,
        frame=micrograph.frame,
        pixel_size=None if micrograph.pixel_size is None else micrograph.pixel_size * factor,
        mean=None if mean is None else _stretch(_shrink(window.cut(mean), factor)),
        labels=None if label_map is None else _nearest(label_map, shown.shape),
        columns=None if columns is None else columns.placed(window.corner, factor),
    )


def _shrink(image: Float[np.ndarray, "y x"], factor: float) -> Float[np.ndarray, "v u"]:
    """Average pixels (a window of ``factor`` pixels); pixels that are not finite become the darkest."""
    from PIL import Image

    image = np.asarray(image, dtype=np.float32)
    finite = np.isfinite(image)
    image = np.where(finite, image, image[finite].min() if finite.any() else 0.0)
    if factor == 1.0:
        return image
    height, width = (max(1, round(side / factor)) for side in image.shape)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))


def _nearest(labels: Int[np.ndarray, "y x"], shape: tuple[int, ...]) -> Int[np.ndarray, "v u"]:
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(shape, labels.shape, strict=True)
    )
    return np.asarray(labels[np.ix_(rows, columns)])


def _stretch(image: Float[np.ndarray, "y x"]) -> UInt8[np.ndarray, "y x"]:
    low, high = np.percentile(image, STRETCH)
    if high <= low:
        low, high = float(image.min()), float(image.max())
    if high <= low:
        return np.full(image.shape, 128, dtype=np.uint8)
    scaled = (image.astype(np.float64) - low) / (high - low)
    return np.asarray(np.clip(scaled, 0, 1) * 255).round().astype(np.uint8)
