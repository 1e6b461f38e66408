"""Figures of the atomic columns of an image or a movie, from depth to agreement with a known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from nanonet.records import ColumnTable, LatticeTable, Table
from nanonet.report.agreement_figures import agreement_figures
from nanonet.report.charts import counts_over_frames, grouping, histogram, layout, line
from nanonet.report.content import Figure
from nanonet.report.depth_figures import depth_histogram, depth_over_time
from nanonet.report.event_figures import event_figures
from nanonet.report.familiarity_figures import familiarity_figures
from nanonet.report.history import History, history_of
from nanonet.report.lattice_figures import lattice_figures
from nanonet.report.layer_figures import layer_figures
from nanonet.report.time_axis import TimeAxis

COLUMNS, TRUST, LATTICE = "Columns", "How far to trust the numbers", "Lattice"


def column_figures(
    table: ColumnTable,
    lattice: LatticeTable | None = None,
    score: pd.DataFrame | None = None,
    *,
    sites: Table | None = None,
    events: Table | None = None,
    layers: Table | None = None,
    frame_time: float | None = None,
    reliability: Sequence[Figure] = (),
    frames: Table | None = None,
) -> tuple[Figure, ...]:
    """Return all figures of columns, those that a table is lacking for left out.

    Parameters
    ----------
    table
        Columns; depths may all be unknown, as with a finder that reads none.
    lattice
        Lattice of each frame.
    score
        Columns ``true_depth`` and ``depth``, a row for each true column that was compared; a missing
        ``depth`` counts as wrong.
    sites
        One row a site and frame, where a model followed the sites through the movie: its depths are shown
        then, not those of single frames.
    events
        One row a change of a site.
    layers
        One row a layer of sites from the surface inwards.
    frame_time
        Between the starts of two frames [s]; None where not known, and time is then counted in frames.
    reliability
        Figures of how reliable the network's probabilities are.
    frames
        One row a frame: whether it is like those of the network's training.
    """
    axis = TimeAxis(frame_time=frame_time)
    history = history_of(table, sites)
    return (
        *_depths(table.data, history),
        *_numbers(table.data, history, axis),
        *(() if history is None else depth_over_time(history, axis)),
        *(() if history is None or events is None else event_figures(events, history, axis)),
        *(() if layers is None else layer_figures(layers)),
        *(() if score is None else _under(TRUST, agreement_figures(score))),
        *_under(TRUST, () if frames is None else familiarity_figures(frames, axis)),
        *_under(TRUST, reliability),
        *_confidence(table.data),
        *(() if lattice is None else _under(LATTICE, lattice_figures(lattice, axis))),
    )


def _under(group: str, figures: Sequence[Figure]) -> tuple[Figure, ...]:
    return tuple(replace(figure, group=group) for figure in figures)


def _known(data: pd.DataFrame, column: str) -> np.ndarray:
    if column not in data:
        return np.empty(0)
    return np.asarray(data[column].dropna().to_numpy(dtype=float))


def _depths(data: pd.DataFrame, history: History | None) -> tuple[Figure, ...]:
    frames = int(data["frame"].nunique())
    if history is None or not history.followed:
        return _under(COLUMNS, depth_histogram(_known(data, "depth"), frames, followed=False))
    filled = history.depth[history.depth > 0].astype(float)
    return _under(COLUMNS, depth_histogram(filled, len(history.frames), followed=True))


def _numbers(data: pd.DataFrame, history: History | None, axis: TimeAxis) -> tuple[Figure, ...]:
    """Return the number of columns by frame: found in each, and with a model those that it takes as there."""
    if data["frame"].nunique() < 2:
        return ()
    followed = history is not None and history.followed
    frames = data["frame"]
    if history is not None and history.followed:
        _, frame = np.nonzero(history.depth > 0)
        frames = pd.Series(history.frames[frame])
    counts = counts_over_frames(frames)
    counts = counts.assign(frame=axis.at(counts["frame"].to_numpy()))
    how = "that are there according to the model that follows every site" if followed else "found"
    figure = Figure(
        group=COLUMNS,
        title=f"Columns {axis.along}",
        caption=f"Number of atomic columns {how}, in each frame." + grouping(data["frame"]),
        data=(line(counts, hover=f"{axis.hover}: %{{y:.4~g}} columns"),),
        layout=layout(axis.title, "columns"),
    )
    return (figure,)


def _confidence(data: pd.DataFrame) -> tuple[Figure, ...]:
    confidence = _known(data, "confidence")
    if not len(confidence):
        return ()
    limits = (0.0, 1.0) if confidence.min() >= 0 and confidence.max() <= 1 else None
    figure = Figure(
        group=TRUST,
        title="Confidence of single readings",
        caption="How sure each column of each frame is by itself, from 0 to 1; the data dictionary says how "
        "it was obtained.",
        data=(histogram(confidence, limits=limits, hover="confidence %{x:.2f}: %{y} columns"),),
        layout=layout("confidence", "columns"),
    )
    return (figure,)
