"""A sheet: of each sample the image, what is expected of it, and its truth. Drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from simulate.preview.captions import conditions, contents, title
from simulate.preview.samples import PreviewSample

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

PANEL, GAP, BETWEEN, MARGIN = 2.15, 0.05, 0.35, 0.3
"""Edge of a picture, and what lies between two of a sample, between samples, and around all [inch]."""
CAPTION, HEADER, FOOTER, BAR = 0.62, 0.75, 0.35, 0.75
DPI = 150
INK, FAINT, OUTLINE = "#222222", "#6b6b6b", "#D55E00"
DOT = 1.3
"""Diameter of a column's dot [Å]."""
LENGTHS = (2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Of scale bars [Å]."""
DEPTH, THICKNESS = "atoms in the column", "thickness / nm"


@dataclass(frozen=True, kw_only=True)
class Shades:
    """How values are coloured: a map of matplotlib's, and what it begins and ends with."""

    cmap: str
    norm: Normalize


def draw_sheet(samples: Sequence[PreviewSample], heading: str) -> Figure:
    """Return a figure of samples, two beside each other."""
    from matplotlib.figure import Figure

    across = 1 if len(samples) < 3 else 2
    down = -(-len(samples) // across)
    wide, high = 3 * PANEL + 2 * GAP, PANEL + CAPTION
    width = 2 * MARGIN + across * wide + (across - 1) * BETWEEN + BAR
    height = HEADER + down * high + (down - 1) * GAP * 2 + FOOTER
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    colours = _colours(samples)
    for index, sample in enumerate(samples):
        row, column = divmod(index, across)
        left = MARGIN + column * (wide + BETWEEN)
        top = height - HEADER - row * (high + 2 * GAP)
        _draw_sample(figure, sample, colours, (left, top))
    figure.text(MARGIN / width, 1 - 0.32 / height, heading, size=13, color=INK, weight="bold", va="center")
    said = "each sample: as the network gets it  |  expected, without noise  |  truth, particle outlined"
    figure.text(MARGIN / width, 1 - 0.56 / height, said, size=8.5, color=FAINT, va="center")
    said = (
        "Grey runs from the 0.2th to the 99.8th percentile of each image. Defocus is positive for underfocus."
    )
    figure.text(MARGIN / width, 0.16 / height, said, size=7, color=FAINT, va="center")
    _draw_bars(figure, colours, (width, height))
    return figure


def _colours(samples: Sequence[PreviewSample]) -> dict[str, Shades]:
    """Return the colours of what the truth panels show, the same on all of a sheet."""
    from matplotlib.colors import BoundaryNorm, Normalize

    found: dict[str, Shades] = {}
    deepest = max((int(s.truth.columns.depths.max()) for s in samples if s.has_columns), default=0)
    if deepest:
        levels = np.arange(0.5, deepest + 1)
        stepped = 1 < deepest <= 20
        norm = BoundaryNorm(levels, 256) if stepped else Normalize(0.5, deepest + 0.5)
        found[DEPTH] = Shades(cmap="viridis", norm=norm)
    thick = [float(s.truth.thickness.max()) for s in samples if not s.has_columns]
    if thick:
        found[THICKNESS] = Shades(cmap="magma", norm=Normalize(0, max(*thick, 1.0) / 10))
    return found


def _draw_sample(
    figure: Figure, sample: PreviewSample, colours: Mapping[str, Shades], corner: tuple[float, float]
) -> None:
    """Draw the caption and the three panels of a sample, from the upper left ``corner`` [inch]."""
    left, top = corner
    width, height = figure.get_size_inches()
    lines = ((title(sample), 10, INK, 0.16), (f"{conditions(sample)}   {contents(sample)}", 7.5, FAINT, 0.36))
    for text, size, colour, down in lines:
        figure.text(left / width, (top - down) / height, text, size=size, color=colour, va="center")
    for index, draw in enumerate((_draw_image, _draw_expected, _draw_truth)):
        x, y = left + index * (PANEL + GAP), top - CAPTION + 0.1 - PANEL
        axes = figure.add_axes((x / width, y / height, PANEL / width, PANEL / height))
        draw(axes, sample, colours)
        axes.set_axis_off()


def _draw_image(axes: Axes, sample: PreviewSample, colours: object) -> None:
    _show(axes, sample.image, sample.pixel_size)
    _draw_scale_bar(axes, sample.image.shape[1] * sample.pixel_size)


def _draw_expected(axes: Axes, sample: PreviewSample, colours: object) -> None:
    _show(axes, sample.expected, sample.pixel_size)


def _draw_truth(axes: Axes, sample: PreviewSample, colours: Mapping[str, Shades]) -> None:
    """Draw the outlines, and the columns by their depth; where there are none, the thickness."""
    _show(axes, sample.expected, sample.pixel_size, alpha=0.5)
    truth = sample.truth
    if sample.has_columns:
        columns = truth.columns.counted()
        y, x = columns.positions.T
        points = 72 * PANEL * DOT / (sample.image.shape[1] * sample.pixel_size)
        depth = colours[DEPTH]
        axes.scatter(x, y, s=points**2, c=columns.depths, cmap=depth.cmap, norm=depth.norm, linewidths=0)
    else:
        map_ = np.ma.masked_array(truth.thickness / 10, ~truth.mask)
        thick = colours[THICKNESS]
        axes.imshow(map_, cmap=thick.cmap, norm=thick.norm, extent=_extent(map_.shape, sample.pixel_size))
    y, x = (sample.pixel_size * np.arange(size) for size in truth.view.shape)
    for particle in truth.particles:
        mask = truth.amodal(particle.instance)
        if not mask.all():
            axes.contour(x, y, mask, levels=[0.5], colors=OUTLINE, linewidths=0.9)
    bottom, right = (sample.pixel_size * (size - 0.5) for size in truth.view.shape)
    axes.set(xlim=(-sample.pixel_size / 2, right), ylim=(bottom, -sample.pixel_size / 2))


def _extent(shape: tuple[int, ...], pixel_size: float) -> tuple[float, float, float, float]:
    """Return where an image lies: its first pixel's centre at (0, 0), y down [Å]."""
    height, width = ((size - 0.5) * pixel_size for size in shape)
    return (-pixel_size / 2, width, height, -pixel_size / 2)


def _show(axes: Axes, image: Float[np.ndarray, "y x"], pixel_size: float, **more: Any) -> None:
    low, high = np.percentile(image, [0.2, 99.8])
    limits = {"vmin": low, "vmax": max(high, low + 1e-6)}
    axes.imshow(image, cmap="gray", extent=_extent(image.shape, pixel_size), **limits, **more)


def _draw_scale_bar(axes: Axes, width: float) -> None:
    """Draw a bar of a round length near the lower left corner of an image of some width [Å]."""
    from matplotlib.patheffects import Stroke, withStroke

    length = max((each for each in LENGTHS if each <= 0.35 * width), default=LENGTHS[0])
    name = f"{length / 10:g} nm" if length >= 10 else f"{length} Å"
    left, share = 0.05, length / width
    axes.plot(
        [left, left + share],
        [0.055, 0.055],
        transform=axes.transAxes,
        color="white",
        linewidth=2.5,
        solid_capstyle="butt",
        path_effects=[
            Stroke(linewidth=4.5, foreground="black"),
            withStroke(linewidth=2.5, foreground="white"),
        ],
    )
    axes.text(
        left + share / 2,
        0.085,
        name,
        transform=axes.transAxes,
        size=8,
        color="white",
        ha="center",
        va="bottom",
        path_effects=[withStroke(linewidth=2, foreground="black")],
    )


def _draw_bars(figure: Figure, colours: Mapping[str, Shades], size: tuple[float, float]) -> None:
    """Draw the colour bars at the right edge, under one another."""
    from matplotlib.cm import ScalarMappable

    width, height = size
    tall = min(2.2, 0.8 * (height - HEADER - FOOTER) / max(len(colours), 1))
    for index, (name, shades) in enumerate(colours.items()):
        bottom = height - HEADER - CAPTION + 0.1 - tall - index * (tall + 0.5)
        place = ((width - MARGIN - 0.45) / width, bottom / height, 0.14 / width, tall / height)
        values = ScalarMappable(cmap=shades.cmap, norm=shades.norm)
        bar = figure.colorbar(values, cax=figure.add_axes(place))
        bar.set_label(name, size=8, color=INK)
        bar.ax.tick_params(labelsize=7, colors=INK, length=2)
        bar.outline.set_visible(False)
        bar.ax.minorticks_off()
        if name == DEPTH:
            deepest = round(values.get_clim()[1] - 0.5)
            step = -(-deepest // 8)
            bar.set_ticks(sorted({1, *range(step, deepest + 1, step)}))
