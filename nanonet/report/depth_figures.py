"""Figures of depth: how many columns have which, and how that changes over a movie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nanonet.report.charts import (
    MOST_FRAMES,
    PALE,
    SHARES,
    band,
    bars,
    grouping,
    groups_of_frames,
    in_groups,
    layout,
    line,
    plain,
)
from nanonet.report.content import Figure
from nanonet.report.history import History
from nanonet.report.numbers import number_text, plain_text
from nanonet.report.rim import rim_order
from nanonet.report.time_axis import TimeAxis

MOST_CELLS = 60_000
"""Cells of the heat map of all sites."""
MOST_ROWS = 400


def depth_histogram(depths: np.ndarray, frames: int, *, followed: bool) -> tuple[Figure, ...]:
    """Return the histogram of all known ``depths`` (n,), read in ``frames`` frames; none without any."""
    if not len(depths):
        return ()
    values, counts = np.unique(depths, return_counts=True)
    where = f"all columns of all {frames} frames" if frames > 1 else "all columns"
    how = " of columns followed through the movie, empty sites left out" if followed else ""
    figure = Figure(
        title=f"Column depth: mean {plain_text(float(depths.mean()), 3)} atoms",
        caption=f"Number of atoms along the beam, {where} ({number_text(len(depths), 0)} readings{how}).",
        data=(bars(values, counts, width=0.85, hover="depth %{x}: %{y} columns"),),
        layout=layout("depth (atoms)", "columns", xaxis={"dtick": 1 if np.ptp(depths) <= 20 else 5}),
    )
    return (figure,)


def depth_over_time(history: History, axis: TimeAxis) -> tuple[Figure, ...]:
    """Return the histogram of depth over time, the mean with its band, and all sites; none without depths."""
    if history.depth_range is None:
        return ()
    return (_histogram_over_time(history, axis), _mean_over_time(history, axis), _every_site(history, axis))


def _source(history: History) -> str:
    return (
        "Depths are those of the model that follows each site through all frames."
        if history.followed
        else "Depths are as each frame gave them, by itself."
    )


def _histogram_over_time(history: History, axis: TimeAxis) -> Figure:
    low, high = history.depth_range or (1, 1)
    depths = np.arange(low, high + 1)
    counts = np.stack([(history.depth == depth).sum(0) for depth in depths])
    begin = groups_of_frames(counts.shape[1])
    size = np.diff(np.append(begin, counts.shape[1]))
    mean = np.add.reduceat(counts, begin, axis=1) / size
    trace = {
        "type": "heatmap",
        "x": axis.at(history.frames[0] + begin + (size - 1) / 2),
        "y": depths,
        "z": np.where(mean > 0, mean, np.nan),
        "zmin": 0,
        "zmax": mean.max(),
        "colorscale": SHARES,
        "hoverongaps": False,
        "colorbar": {"title": {"text": "columns"}, "thickness": 12, "outlinewidth": 0},
        "hovertemplate": f"{axis.hover}, depth %{{y}}: %{{z:.3~g}} columns<extra></extra>",
    }
    return Figure(
        group="Depth over time",
        title="Depth histogram over time",
        caption="How many columns have which depth; each upright strip is the histogram of one moment. "
        + _source(history)
        + grouping(pd.Series(history.frames)),
        data=(plain(trace, 3),),
        layout=layout(
            axis.title,
            "depth (atoms)",
            xaxis={"showgrid": False},
            yaxis={"dtick": 1 if high - low <= 20 else 5, "showgrid": False, "rangemode": "normal"},
        ),
    )


def _mean_over_time(history: History, axis: TimeAxis) -> Figure:
    filled = history.depth > 0
    count = np.maximum(filled.sum(0), 1)

    def mean(values: np.ndarray) -> pd.Series[Any]:
        per_frame = np.where(filled, values, 0).sum(0) / count
        return pd.Series(np.where(filled.any(0), per_frame, np.nan))

    values = {"mean": mean(history.depth)}
    banded = bool((history.low[filled] > 0).any())
    if banded:
        values |= {"low": mean(history.low), "high": mean(history.high)}
    points = in_groups(pd.Series(history.frames), values)
    points = points.assign(frame=axis.at(points["frame"].to_numpy()))
    draw = band(points, hover=f"{axis.hover}: mean %{{y:.3~g}} atoms") if banded else [line(points, hover="")]
    about = (
        " The band reaches from the mean of the lower to the mean of the upper ends of their 90 % intervals: "
        "as wide as an error that all columns share can make it."
        if banded
        else ""
    )
    return Figure(
        group="Depth over time",
        title="Mean depth over time",
        caption=f"Mean depth of the columns that are there.{about}" + grouping(pd.Series(history.frames)),
        data=tuple(draw),
        layout=layout(axis.title, "mean depth (atoms)", yaxis={"rangemode": "normal"}),
    )


def _every_site(history: History, axis: TimeAxis) -> Figure:
    low, high = history.depth_range or (1, 1)
    order = rim_order(history.positions, history.depth)
    rows = order[np.linspace(0, len(order) - 1, min(len(order), MOST_ROWS)).round().astype(int)]
    begin = groups_of_frames(len(history.frames), min(MOST_FRAMES, max(1, MOST_CELLS // len(rows))))
    middle = begin + np.diff(np.append(begin, len(history.frames))) // 2
    depth = history.depth[np.ix_(rows, middle)].astype(float)
    trace = {
        "type": "heatmap",
        "x": axis.at(history.frames[middle]),
        "y": np.arange(1, len(rows) + 1),
        "z": np.where(depth > 0, depth, np.nan),
        "zmin": low,
        "zmax": max(high, low + 1),
        "colorscale": "Viridis",
        "hoverongaps": False,
        "colorbar": {
            "title": {"text": "depth<br>(atoms)"},
            "thickness": 12,
            "outlinewidth": 0,
            "x": 0.93,
            "dtick": 1 if high - low <= 12 else 5,
        },
        "hovertemplate": f"{axis.hover}, site %{{y}} from the rim: %{{z}} atoms<extra></extra>",
    }
    few = len(rows) < len(order)
    skipped = f" {len(rows)} of {len(order)} sites are drawn." if few else ""
    skipped += " Of neighbouring frames one is drawn." if len(middle) < len(history.frames) else ""
    return Figure(
        group="Depth over time",
        wide=True,
        tall=True,
        title="Every site over time",
        caption="A row is a site, the outermost at the top; its colour is the depth, grey where "
        f"{'it is empty' if history.followed else 'none was found'}. {_source(history)}{skipped}",
        data=(plain(trace, 6),),
        layout=layout(
            axis.title,
            "site, from the rim inwards",
            xaxis={
                "showgrid": False,
                "domain": [0, 0.92],
                "range": axis.at(history.frames[[0, -1]] + [-0.5, 0.5]),
            },
            yaxis={"range": [len(rows) + 0.5, 0.5], "showgrid": False, "zeroline": False},
            plot_bgcolor=PALE,
        ),
    )
