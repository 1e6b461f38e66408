"""Figures of the map of a tumbling particle: how far to believe it, and what it looks like in the frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import ShellCorrelation
from nanonet.report.charts import BLUE, GREY, VERMILION, histogram, layout, plain
from nanonet.report.content import Figure
from nanonet.report.map_figures import equal_area, shell_layout
from nanonet.report.population_figures import picture_layout, tile

GROUP = "Poses and map"
_TILE = 128


def agreement_figure(curve: ShellCorrelation, random: ShellCorrelation) -> Figure:
    """Return how well the half maps agree, and the mask's part of it."""
    traces = [
        _line(10 * one.frequency, one.correlation, name, colour, dash)
        for one, name, colour, dash in (
            (curve, "half maps", BLUE, "solid"),
            (random, "the mask alone", GREY, "dot"),
        )
    ]
    return Figure(
        group=GROUP,
        title="How well the half maps agree",
        caption="Fourier shell correlation of two maps of two halves of the frames, each solved by "
        "itself. Dashed: 0.143 and 0.5.",
        data=tuple(traces),
        layout=shell_layout(),
    )


def powder_figure(
    frequency: Float[np.ndarray, " k"], power: Float[np.ndarray, " k"], fitted: Float[np.ndarray, " k"]
) -> Figure:
    """Return the powder pattern of the frames, in deviations of its noise."""
    return Figure(
        group=GROUP,
        title="Powder pattern of the frames",
        caption="Mean power of all frames over that of the noise, which needs no orientation, and the "
        "crystal's lines that were fitted to it.",
        data=(
            _line(10 * frequency, power, "frames", BLUE, "solid"),
            _line(10 * frequency, fitted, "crystal", VERMILION, "dash"),
        ),
        layout=layout(
            "spatial frequency (1/nm)",
            "power (deviations)",
            showlegend=True,
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            yaxis={"rangemode": "normal"},
        ),
    )


def margins_figure(margins: Float[np.ndarray, " n"], believed: Bool[np.ndarray, " n"]) -> Figure:
    """Return how sure the poses are."""
    return Figure(
        group=GROUP,
        title="How sure each pose is",
        caption="By how many nats of log likelihood the best pose of a frame is ahead of the next that is "
        f"really another. Of {len(believed)} frames {int(believed.sum())} are sure enough for the map.",
        data=(histogram(np.asarray(margins, dtype=float), hover="%{x:.0f} nat: %{y} frames"),),
        layout=layout("margin (nat)", "frames"),
    )


def directions_figure(directions: Float[np.ndarray, "n 3"], gap: float) -> Figure:
    """Return the directions that the particle was seen along, either end of each, in equal areas.

    Parameters
    ----------
    gap
        From any direction to the nearest that was seen [rad].
    """
    up = np.where(directions[:, 2:] < 0, -directions, directions)
    x, y = np.degrees(equal_area(up, np.array([0.0, 0.0, 1.0]))).T
    return Figure(
        group=GROUP,
        title="Directions of view",
        caption="Of the beam in the particle's own axes, from above: a view from behind tells as much. Equal "
        f"areas are equal solid angles. The largest gap is {np.degrees(gap):.1f}°.",
        data=(
            plain(
                {
                    "type": "scattergl",
                    "mode": "markers",
                    "x": x,
                    "y": y,
                    "marker": {"color": BLUE, "size": 4, "opacity": 0.5},
                    "hoverinfo": "skip",
                },
                4,
            ),
        ),
        layout=layout(
            "from the particle's z axis (°)",
            "(°)",
            yaxis={"scaleanchor": "x", "rangemode": "normal"},
            xaxis={"rangemode": "normal"},
        ),
    )


def turning_figure(
    frames: Int[np.ndarray, " n"], degrees: Float[np.ndarray, " n"], frame_time: float | None
) -> Figure:
    """Return by how much the particle turned from frame to frame."""
    seen = np.isfinite(degrees)
    at = frames if frame_time is None else frames * frame_time
    trace: dict[str, Any] = {
        "type": "scattergl",
        "mode": "markers",
        "x": at[seen],
        "y": degrees[seen],
        "marker": {"color": BLUE, "size": 3},
        "hovertemplate": "%{x}: %{y:.1f}°<extra></extra>",
    }
    return Figure(
        group=GROUP,
        title="Turned from frame to frame",
        caption="Angle between the poses of frames that follow each other, where both are known; the "
        "errors of both are in it.",
        data=(plain(trace, 4),),
        layout=layout("frame" if frame_time is None else "time (s)", "angle (°)"),
    )


def frames_figure(rows: Sequence[Sequence[Float[np.ndarray, "s s"]]], field: float) -> Figure:
    """Return a few frames, what is left of them without fine noise, and the map's projections below.

    Parameters
    ----------
    field
        Width of a picture [nm].
    """
    return Figure(
        group=GROUP,
        wide=True,
        title="Frames and map",
        caption="Above, some frames whose pose is known; in the middle means of frames seen from nearly "
        f"the same side, turned alike; below, the map in their poses. Each is {field:.3g} nm wide.",
        data=(),
        layout=picture_layout(np.vstack([np.hstack([tile(image, _TILE) for image in row]) for row in rows])),
    )


def _line(x: Any, y: Any, name: str, colour: str, dash: str) -> dict[str, Any]:
    return dict(
        plain(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": x,
                "y": y,
                "line": {"color": colour, "width": 2, "dash": dash},
                "hovertemplate": f"{name}, %{{x:.2f}} /nm: %{{y:.2f}}<extra></extra>",
            },
            4,
        )
    )
