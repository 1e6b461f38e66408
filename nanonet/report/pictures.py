"""Pictures for slides and papers: a frame with what was found in it, and the sizes of all particles."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from nanonet.io.atomic import atomic_path
from nanonet.records import Estimate, Table
from nanonet.report.charts import BLUE, GREY, VERMILION
from nanonet.report.preview import Preview
from nanonet.report.shown_columns import ShownColumns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WHOLE, CUT, CLUMP = "#56B4E9", "#E69F00", "#CC79A7"
"""Outlines of whole particles, of those that the border cuts, of those kept that are no single ones."""
_LEAST = 800
"""Pixels of the longer side that a picture has at least."""
_DPI = 100
_COLUMN_WIDTH = 3.4
"""Inches: a figure of one column of a journal."""


def draw_frame(
    path: str | os.PathLike[str], preview: Preview, outline: Mapping[int, str] | None = None
) -> None:
    """Write a frame with outlines of its particles or dots for its columns, and a scale bar.

    Parameters
    ----------
    path
        .png.
    outline
        Colour of the outline of each label; `WHOLE` where none is given.

    Raises
    ------
    InputError
        If the disk refuses.
    """
    enlarged = max(1, math.ceil(_LEAST / max(preview.image.shape)))
    height, width = (side * enlarged for side in preview.image.shape)
    figure = _figure(width / _DPI, height / _DPI)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.imshow(preview.image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()
    point = 72 / _DPI * max(1.0, max(height, width) / 1000)
    if preview.labels is not None:
        _draw_outlines(axes, preview.labels, outline or {}, 1.8 * point)
    if preview.columns is not None:
        _draw_columns(axes, preview.columns)
    if preview.pixel_size is not None:
        _draw_scale_bar(axes, preview.image.shape, preview.pixel_size, point)
    axes.set_xlim(-0.5, preview.image.shape[1] - 0.5)
    axes.set_ylim(preview.image.shape[0] - 0.5, -0.5)
    _save(figure, path)


def outline_colours(rows: Any) -> dict[int, str]:
    """Return the colour of the outline of each particle of a frame, by the rows of its table."""
    kind = np.where(rows["confidence"] == 0, CLUMP, np.where(rows["touches_border"], CUT, WHOLE))
    return dict(zip(rows["particle_id"].astype(int), kind.tolist(), strict=True))


def draw_sizes(path: str | os.PathLike[str], sizes: Table, estimates: tuple[Estimate, ...]) -> None:
    """Write the histogram of equivalent diameters, of size_distribution.csv, with 90 % intervals.

    Bars are numbers of particles, dots what they are once corrected; the line is the mean.

    Raises
    ------
    InputError
        If the disk refuses.
    """
    data = sizes.data
    if data.empty:
        return
    unit = "nm" if "diameter_low_nm" in data else "px"
    number = int(data["particles"].sum())
    first, last = (data[f"diameter_{end}_{unit}"].to_numpy(dtype=float) for end in ("low", "high"))
    raw, low, high, corrected = (
        number * data[name].to_numpy(dtype=float)
        for name in ("share", "share_low", "share_high", "share_corrected")
    )
    figure = _figure(_COLUMN_WIDTH, 0.75 * _COLUMN_WIDTH, layout="constrained")
    axes = figure.add_subplot()
    middle = (first + last) / 2
    ends = np.maximum([raw - low, high - raw], 0) if np.isfinite(low).all() else None
    axes.bar(middle, raw, width=0.96 * (last - first), color=BLUE, zorder=2)
    axes.errorbar(middle, raw, yerr=ends, fmt="none", ecolor=GREY, elinewidth=0.8, capsize=1.5, zorder=3)
    if not np.allclose(corrected, raw):
        axes.plot(middle, corrected, ".", color=VERMILION, markersize=4, zorder=4, label="corrected")
        axes.legend(fontsize=7, frameon=False)
    mean = next((e for e in estimates if e.name == "mean equivalent diameter"), None)
    if mean is not None:
        axes.axvline(mean.value, color=VERMILION, linewidth=1.2, zorder=3)
        if mean.low is not None and mean.high is not None:
            axes.axvspan(mean.low, mean.high, color=VERMILION, alpha=0.2, linewidth=0)
        axes.set_title(_mean_text(mean, number), fontsize=8)
    axes.set_xlabel(f"equivalent diameter ({unit})", fontsize=8)
    axes.set_ylabel("particles", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path, dpi=300)


def _mean_text(mean: Estimate, number: int) -> str:
    interval = "" if mean.low is None else f" [{mean.low:.3g}, {mean.high:.3g}]"
    return f"{number} particles, mean {mean.value:.3g}{interval} {mean.unit}"


def _figure(width: float, height: float, **more: Any) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, **more)
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: str | os.PathLike[str], dpi: int = _DPI) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=dpi, format="png", metadata={"Software": None})


def _draw_outlines(
    axes: Axes, labels: Int[np.ndarray, "y x"], outline: Mapping[int, str], width: float
) -> None:
    from matplotlib.collections import LineCollection
    from scipy.ndimage import find_objects
    from skimage.measure import find_contours

    lines, colours = [], []
    for number, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        for ring in find_contours(np.pad(labels[box] == number, 1).astype(np.uint8), 0.5):
            lines.append(ring[:, ::-1] - 1 + (box[1].start, box[0].start))
            colours.append(outline.get(number, WHOLE))
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=width))


def _draw_columns(axes: Axes, columns: ShownColumns) -> None:
    known = columns.depth > 0
    y, x = columns.positions[known].T
    axes.scatter(x, y, c=columns.depth[known], cmap="viridis", s=14, linewidths=0.4, edgecolors="black")


def _draw_scale_bar(axes: Axes, shape: tuple[int, ...], pixel_size: float, point: float) -> None:
    from matplotlib.patches import Rectangle

    height, width = shape
    length, text = nice_length(width * pixel_size / 4)
    wide, margin, thick = length / pixel_size, 0.03 * width, 0.012 * height
    axes.add_patch(
        Rectangle(
            (margin, height - margin - thick),
            wide,
            thick,
            facecolor="white",
            edgecolor="black",
            linewidth=0.8 * point,
        )
    )
    from matplotlib.patheffects import withStroke

    axes.text(
        margin + wide / 2,
        height - margin - 1.6 * thick,
        text,
        color="white",
        ha="center",
        va="bottom",
        fontsize=22 * point,
        path_effects=[withStroke(linewidth=2.5 * point, foreground="black")],
    )


def nice_length(limit: float) -> tuple[float, str]:
    """Return a round length [Å] that fits into a limit [Å], and how it is written."""
    power = 10.0 ** math.floor(math.log10(limit))
    length = next(first * power for first in (5, 2, 1) if first * power <= limit * (1 + 1e-9))
    if length < 5:
        return length, f"{length:.3g} Å"
    return length, f"{length / 10:.3g} nm" if length < 10_000 else f"{length / 10_000:.3g} µm"
