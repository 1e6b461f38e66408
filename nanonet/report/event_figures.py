"""Figures of events: when and where sites gained and lost atoms, and which may have passed one on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nanonet.records import Table
from nanonet.report.charts import (
    BLUE,
    VERMILION,
    groups_of_frames,
    layout,
    plain,
    thinned,
)
from nanonet.report.content import Figure
from nanonet.report.event_list import KINDS, events_at_sites, kinds_of
from nanonet.report.history import History
from nanonet.report.numbers import number_text
from nanonet.report.rim import rim_order
from nanonet.report.site_maps import change_map, migration_map
from nanonet.report.time_axis import TimeAxis

GROUP = "Events"
BARS = 60
"""Bars of the rate of events over a movie, at most."""


def event_figures(events: Table, history: History, axis: TimeAxis) -> tuple[Figure, ...]:
    """Return when events were, with their rate, and where (maps); none without events."""
    known, site = events_at_sites(events, history)
    if known.empty:
        return ()
    return (
        _raster(known, site, history, axis),
        change_map(known, site, history),
        migration_map(known, site, history),
    )


def _raster(events: pd.DataFrame, site: np.ndarray, history: History, axis: TimeAxis) -> Figure:
    rank = np.empty(len(history.tracks), dtype=int)
    rank[rim_order(history.positions, history.depth)] = np.arange(1, len(rank) + 1)
    shown = thinned(len(events))
    kinds = kinds_of(events)[shown]
    marks = [
        _marks(events.iloc[shown[kinds == kind]], rank[site[shown[kinds == kind]]], kind, axis)
        for kind in KINDS
        if (kinds == kind).any()
    ]
    left_out = f" {len(shown)} of {len(events)} are drawn." if len(shown) < len(events) else ""
    ends = axis.at(history.frames[[0, -1]] + [-0.5, 0.5])
    rates, bar = _rates(events, history, axis)
    return Figure(
        group=GROUP,
        wide=True,
        tall=True,
        title=f"Events: {number_text(len(events), 0)} changes of depth",
        caption="Each mark is a change of one site, fainter the less probable it is; rows are those of “Every"
        " site over time”. Click a mark to see it in the images above. Bars: events per 100 columns and 100 "
        f"frames, each counted with its probability, gains upwards, losses downwards; a bar is {bar}."
        + left_out,
        data=(*marks, *rates),
        layout=layout(
            axis.title,
            "site, from the rim inwards",
            xaxis={"range": [float(ends[0]), float(ends[1])], "domain": [0, 0.92], "zeroline": False},
            yaxis={"range": [len(rank) + 0.5, 0.5], "domain": [0, 0.74], "zeroline": False},
            yaxis2={"domain": [0.8, 1], "zeroline": True, "title": {"text": "rate"}},
            showlegend=True,
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            barmode="relative",
        ),
    )


def _marks(events: pd.DataFrame, rank: np.ndarray, kind: str, axis: TimeAxis) -> dict[str, Any]:
    name, symbol = KINDS[kind]
    columns = ["frame", "track_id", "depth_before", "depth_after", "probability", "frame_low", "frame_high"]
    chance = events["probability"].to_numpy(dtype=float, na_value=np.nan)
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": axis.at(events["frame"].to_numpy(dtype=float)),
        "y": rank,
        "customdata": events[columns].to_numpy(dtype=float, na_value=np.nan),
        "meta": {"jump": True},
        "marker": {
            "color": BLUE if kind in ("gain", "birth") else VERMILION,
            "symbol": symbol,
            "size": 7,
            "opacity": np.clip(np.nan_to_num(chance, nan=1.0), 0.25, 1),
        },
        "hovertemplate": f"{name}, site %{{customdata[1]}}: %{{customdata[2]}} → %{{customdata[3]}} atoms<br>"
        "frame %{customdata[0]} (%{customdata[5]}–%{customdata[6]}), probability %{customdata[4]:.2f}"
        "<extra></extra>",
    }
    return dict(plain(trace, 4))


def _rates(events: pd.DataFrame, history: History, axis: TimeAxis) -> tuple[tuple[dict[str, Any], ...], str]:
    """Return bars of the rate of gains and of losses, and how many frames a bar is of."""
    count = len(history.frames)
    begin = groups_of_frames(count, BARS)
    size = np.diff(np.append(begin, count))
    group = np.searchsorted(begin, events["frame"].to_numpy(int) - history.frames[0], side="right") - 1
    chance = events["probability"].to_numpy(dtype=float, na_value=1.0)
    up = (events["depth_after"] > events["depth_before"]).to_numpy(bool)
    columns = np.add.reduceat((history.depth > 0).sum(0), begin)
    traces = []
    for which, sign, name, colour in ((up, 1, "gained", BLUE), (~up, -1, "lost", VERMILION)):
        number = np.bincount(group[which], chance[which], minlength=len(begin))
        trace = {
            "type": "bar",
            "yaxis": "y2",
            "showlegend": False,
            "x": axis.at(history.frames[0] + begin + (size - 1) / 2),
            "y": sign * 1e4 * number / np.maximum(columns, 1),
            "width": axis.at(size * 0.94),
            "customdata": number,
            "marker": {"color": colour},
            "hovertemplate": f"{axis.hover}: %{{customdata:.3~g}} {name}<extra></extra>",
        }
        traces.append(plain(trace, 4))
    return tuple(traces), "one frame" if size[0] == 1 else f"{size[0]} frames"
