"""Figures of a table of atomic columns: depth, confidence, lattice, and agreement with a known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nanonet.records import ColumnTable, LatticeTable
from nanonet.report.charts import (
    band,
    bars,
    counts_over_frames,
    grouping,
    histogram,
    in_groups,
    layout,
    line,
    over_frames,
    plain,
)
from nanonet.report.content import Figure
from nanonet.report.lattice_figures import lattice_figures
from nanonet.report.numbers import NO_BREAK_SPACE, number_text, plain_text


def column_figures(
    table: ColumnTable, lattice: LatticeTable | None = None, score: pd.DataFrame | None = None
) -> tuple[Figure, ...]:
    """Return figures of depth, confidence and lattice, over the frames where there are several.

    Parameters
    ----------
    table
        Columns; depths may all be unknown, as with a finder that reads none.
    lattice
        Lattice of each frame.
    score
        Columns ``true_depth`` and ``depth``, a row for each true column that was compared; a missing
        ``depth`` counts as wrong.
    """
    data = table.data
    agreement = () if score is None else _agreement(score)
    lattices = () if lattice is None else lattice_figures(lattice)
    return (
        *agreement,
        *_depths(data),
        *_depth_over_time(data),
        *_numbers(data),
        *_confidence(data),
        *lattices,
    )


def _known(data: pd.DataFrame, column: str) -> np.ndarray:
    if column not in data:
        return np.empty(0)
    return np.asarray(data[column].dropna().to_numpy(dtype=float))


def _depths(data: pd.DataFrame) -> tuple[Figure, ...]:
    depths = _known(data, "depth")
    if not len(depths):
        return ()
    values, counts = np.unique(depths, return_counts=True)
    frames = data["frame"].nunique()
    where = f"all columns of all {frames} frames" if frames > 1 else "all columns"
    figure = Figure(
        title=f"Column depth: mean {plain_text(float(depths.mean()), 3)} atoms",
        caption=f"Number of atoms along the beam, {where} ({number_text(len(depths), 0)} readings).",
        data=(bars(values, counts, width=0.85, hover="depth %{x}: %{y} columns"),),
        layout=layout("depth (atoms)", "columns", xaxis={"dtick": 1 if np.ptp(depths) <= 20 else 5}),
    )
    return (figure,)


def _depth_over_time(data: pd.DataFrame) -> tuple[Figure, ...]:
    if "depth" not in data or data["frame"].nunique() < 2:
        return ()
    depths = over_frames(data["frame"], data["depth"].astype("Float64"))
    if depths.empty:
        return ()
    spread = in_groups(data["frame"], {"square": data["depth"].astype("Float64") ** 2})["square"]
    deviation = np.sqrt(np.maximum(spread - depths["mean"] ** 2, 0))
    depths = depths.assign(low=depths["mean"] - deviation, high=depths["mean"] + deviation)
    figure = Figure(
        title="Depth by frame",
        caption="Mean depth of the columns of each frame; the band is one standard deviation wide each way."
        + grouping(data["frame"]),
        data=tuple(band(depths, hover="frame %{x:.0f}: mean %{y:.3~g} atoms")),
        layout=layout("frame", "depth (atoms)"),
    )
    return (figure,)


def _numbers(data: pd.DataFrame) -> tuple[Figure, ...]:
    if data["frame"].nunique() < 2:
        return ()
    counts = counts_over_frames(data["frame"])
    figure = Figure(
        title="Columns by frame",
        caption="Number of atomic columns found in each frame." + grouping(data["frame"]),
        data=(line(counts, hover="frame %{x:.0f}: %{y:.4~g} columns"),),
        layout=layout("frame", "columns"),
    )
    return (figure,)


def _confidence(data: pd.DataFrame) -> tuple[Figure, ...]:
    confidence = _known(data, "confidence")
    if not len(confidence):
        return ()
    limits = (0.0, 1.0) if confidence.min() >= 0 and confidence.max() <= 1 else None
    figure = Figure(
        title="Confidence",
        caption="How sure each column is, from 0 to 1; the data dictionary says how it was obtained.",
        data=(histogram(confidence, limits=limits, hover="confidence %{x:.2f}: %{y} columns"),),
        layout=layout("confidence", "columns"),
    )
    return (figure,)


def _agreement(score: pd.DataFrame) -> tuple[Figure, ...]:
    """Return the confusion matrix, true depth against depth that was read."""
    true = score.dropna(subset=["true_depth"]).astype({"true_depth": float, "depth": float})
    if true.empty:
        return ()
    error = (true["depth"] - true["true_depth"]).abs()
    exact, near = 100 * float((error < 0.5).mean()), 100 * float((error < 1.5).mean())
    missed = int(true["depth"].isna().sum())
    tick = {
        "dtick": 1 if true.max().max() <= 25 else 5,
        "showgrid": False,
        "zeroline": False,
        "constrain": "domain",
    }
    figure = Figure(
        title=f"Read against true depth: exact {_share(exact)}, within one {_share(near)}",
        caption=f"{number_text(len(true), 0)} true columns. Each row is one true depth and adds up to 100 %; "
        f"right readings lie on the diagonal."
        + (f" {missed} that were not found count as wrong." if missed else ""),
        data=(_matrix(true.dropna()),) if missed < len(true) else (),
        layout=layout(
            "depth that was read (atoms)",
            "true depth (atoms)",
            xaxis=tick,
            yaxis=tick | {"autorange": "reversed", "rangemode": "normal", "scaleanchor": "x"},
        ),
    )
    return (figure,)


def _share(per_cent: float) -> str:
    text = ">99.9" if 99.95 <= per_cent < 100 else f"{per_cent:.1f}"
    return text + NO_BREAK_SPACE + "%"


def _matrix(pairs: pd.DataFrame) -> dict[str, object]:
    """Return a heat map of the share of each read depth among the columns of one true depth [%]."""
    counts = pd.crosstab(pairs["true_depth"].round().astype(int), pairs["depth"].round().astype(int))
    depths = range(
        min(counts.index.min(), counts.columns.min()), max(counts.index.max(), counts.columns.max()) + 1
    )
    number = counts.reindex(index=depths, columns=depths, fill_value=0).to_numpy(dtype=float)
    total = number.sum(axis=1, keepdims=True)
    share = np.divide(100 * number, total, out=np.full_like(number, np.nan), where=(total > 0) & (number > 0))
    trace = {
        "type": "heatmap",
        "x": list(depths),
        "y": list(depths),
        "z": share,
        "customdata": number.astype(int),
        "colorscale": "Viridis",
        "zmin": 0,
        "zmax": 100,
        "xgap": 1,
        "ygap": 1,
        "hoverongaps": False,
        "colorbar": {"title": {"text": "%"}, "thickness": 12, "outlinewidth": 0},
        "hovertemplate": "true %{y}, read %{x}: %{z:.0f} % (%{customdata} columns)<extra></extra>",
    }
    few = {"texttemplate": "%{z:.0f}"} if len(depths) <= 14 else {}
    return dict(plain(trace | few, 4))
