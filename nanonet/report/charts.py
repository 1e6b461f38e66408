"""Parts of plotly figures as plain JSON: axes, histograms, bands over frames.

Colours are Okabe and Ito's, which people of any colour vision tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

BLUE = "#0072B2"
VERMILION = "#D55E00"
GREY = "#8A929B"
PALE = "#D9DCE0"
BLUE_BAND = "rgba(0,114,178,0.18)"
VERMILION_BAND = "rgba(213,94,0,0.12)"
SHARES = [[0, "#F1F5F9"], [1, BLUE]]
"""Scale of shares and numbers, from the paper to blue; Viridis is kept for depth, on the whole page."""
MOST_POINTS = 2500
"""Points that one scatter plot shows; more could not be told apart, and would make the page heavy."""
MOST_FRAMES = 400
"""Values along a time axis; longer movies are averaged over neighbouring frames."""


def plain(value: Any, digits: int = 5) -> Any:
    """Return ``value`` as JSON can hold it: arrays as lists, ``digits`` significant digits, NaN as None.

    Whole numbers keep all of their digits.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item, digits) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), digits)
    if isinstance(value, list | tuple):
        return [plain(item, digits) for item in value]
    if value is pd.NA or value is None:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, float | np.floating):
        return _rounded(float(value), digits) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _rounded(value: float, digits: int) -> float:
    return int(value) if value.is_integer() and abs(value) < 1e15 else float(f"{value:.{digits}g}")


def layout(x: str, y: str, **more: Any) -> dict[str, Any]:
    """Return a layout with named axes; ``more`` adds to it, and to an axis where it names one."""
    xaxis: dict[str, Any] = {"title": {"text": x}} | more.pop("xaxis", {})
    yaxis: dict[str, Any] = {"title": {"text": y}, "rangemode": "tozero"} | more.pop("yaxis", {})
    return dict(plain({"xaxis": xaxis, "yaxis": yaxis, "showlegend": False} | more, 12))


def bars(x: np.ndarray, y: np.ndarray, *, width: float, hover: str) -> dict[str, Any]:
    """Return a bar trace; ``hover`` is a plotly template."""
    trace = {"type": "bar", "x": x, "y": y, "width": width, "marker": {"color": BLUE}}
    return dict(plain(trace | {"hovertemplate": hover + "<extra></extra>"}))


def histogram(values: np.ndarray, *, hover: str, limits: tuple[float, float] | None = None) -> dict[str, Any]:
    """Return the histogram of finite values (5 to 60 bins after Freedman and Diaconis) as a bar trace."""
    finite = values[np.isfinite(values)]
    edges = _edges(finite, limits)
    counts, edges = np.histogram(finite, bins=edges)
    width = float(edges[1] - edges[0])
    return bars((edges[:-1] + edges[1:]) / 2, counts, width=width * 0.96, hover=hover)


def _edges(finite: np.ndarray, limits: tuple[float, float] | None) -> np.ndarray:
    low, high = limits if limits is not None else (float(finite.min()), float(finite.max()))
    if high <= low:
        margin = abs(low) * 0.05 or 0.5
        low, high = low - margin, high + margin
    spread = float(np.subtract(*np.percentile(finite, [75, 25])))
    width = 2 * spread / len(finite) ** (1 / 3)
    count = int(np.clip((high - low) / width if width > 0 else 20, 5, 60))
    return np.linspace(low, high, count + 1)


def band(data: pd.DataFrame, *, hover: str) -> list[dict[str, Any]]:
    """Return the traces of a line ``mean`` over ``frame`` and of the band from ``low`` to ``high``."""
    frame = data["frame"].to_numpy()
    invisible = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    edge = {"type": "scatter", "x": frame} | invisible
    lower = edge | {"y": data["low"].to_numpy()}
    upper = edge | {"y": data["high"].to_numpy(), "fill": "tonexty", "fillcolor": BLUE_BAND}
    middle = line(data, hover=hover)
    return [*plain([lower, upper]), middle]


def line(data: pd.DataFrame, *, hover: str) -> dict[str, Any]:
    """Return a line ``mean`` over ``frame``; where there are few values, dots mark them too."""
    mode = "lines+markers" if len(data) <= 60 else "lines"
    trace = {"type": "scatter", "mode": mode, "x": data["frame"].to_numpy(), "y": data["mean"].to_numpy()}
    style = {"line": {"color": BLUE, "width": 2}, "marker": {"color": BLUE, "size": 6}}
    return dict(plain(trace | style | {"hovertemplate": hover + "<extra></extra>"}))


def over_frames(frames: pd.Series[Any], values: pd.Series[Any], most: int = MOST_FRAMES) -> pd.DataFrame:
    """Return mean, 5 % and 95 % quantile of ``values`` for each frame, or group of neighbouring frames.

    Returns
    -------
    Columns frame (the middle of the group), mean, low, high; one row where there is any finite value.
    """
    data = pd.DataFrame({"frame": frames.astype(float), "value": values.astype(float)}).dropna()
    if data.empty:
        return pd.DataFrame(columns=["frame", "mean", "low", "high"], dtype=float)
    grouped = data.groupby(_groups(data["frame"], most))
    value = grouped["value"]
    result = {"mean": value.mean(), "low": value.quantile(0.05), "high": value.quantile(0.95)}
    return pd.DataFrame({"frame": grouped["frame"].mean(), **result}).reset_index(drop=True)


def in_groups(
    frames: pd.Series[Any], values: Mapping[str, pd.Series[Any]], most: int = MOST_FRAMES
) -> pd.DataFrame:
    """Return the mean of each of ``values`` over each frame, or group of neighbouring frames."""
    data = pd.DataFrame({"frame": frames, **values}).astype(float).dropna()
    if data.empty:
        return data
    return data.groupby(_groups(data["frame"], most).to_numpy()).mean().reset_index(drop=True)


def mean_over_frames(frames: pd.Series[Any], values: pd.Series[Any], most: int = MOST_FRAMES) -> pd.DataFrame:
    """Return the mean of positive ``values`` in each frame with its 90 % interval (Student's t).

    Frames are grouped as by `over_frames`.

    In groups of frames the ends are means too: neighbouring frames show the same particles, and do not add.
    Where there is only one value its interval has no width.
    """
    from scipy import stats

    data = pd.DataFrame({"frame": frames.astype(float), "value": values.astype(float)}).dropna()
    each = data.groupby("frame")["value"].agg(["mean", "std", "count"]).reset_index()
    if each.empty:
        return pd.DataFrame(columns=["frame", "mean", "low", "high"], dtype=float)
    alone = each["count"] < 2
    half = stats.t.ppf(0.95, each["count"].where(~alone, 2) - 1) * each["std"] / np.sqrt(each["count"])
    half = half.where(~alone, 0.0)
    low = (each["mean"] - half).clip(lower=0.0)
    ends = {"mean": each["mean"], "low": low, "high": each["mean"] + half}
    return in_groups(each["frame"], ends, most)


def counts_over_frames(frames: pd.Series[Any], most: int = MOST_FRAMES) -> pd.DataFrame:
    """Return the rows per frame (column ``mean``), 0 for frames between the first and last that have none."""
    counts = frames.astype(int).value_counts()
    full = counts.reindex(range(counts.index.min(), counts.index.max() + 1), fill_value=0)
    return over_frames(pd.Series(full.index), pd.Series(full.to_numpy()), most)


def _groups(frames: pd.Series[Any], most: int) -> pd.Series[Any]:
    span = frames.max() - frames.min() + 1
    return frames if span <= most else ((frames - frames.min()) * most // span)


def grouping(frames: pd.Series[Any], most: int = MOST_FRAMES) -> str:
    """Return what a caption says where neighbouring frames were taken together, else nothing."""
    span = int(frames.max() - frames.min()) + 1
    return (
        f" Each point is the mean of about {max(2, round(span / most))} neighbouring frames."
        if span > most
        else ""
    )


def groups_of_frames(count: int, most: int = MOST_FRAMES) -> np.ndarray:
    """Return where groups of frames of one length begin, at most ``most`` of them in ``count`` frames."""
    return np.arange(0, count, -(-count // most))


def thinned(length: int, most: int = MOST_POINTS) -> np.ndarray:
    """Return at most ``most`` row numbers, spread evenly."""
    return np.linspace(0, length - 1, min(length, most)).round().astype(int)


def marked(x: float, low: float, high: float, text: str) -> dict[str, Any]:
    """Return layout parts: a line at ``x`` with ``text`` above it, and a band from ``low`` to ``high``."""
    tall = {"y0": 0, "y1": 1, "yref": "paper", "layer": "below"}
    middle = tall | {
        "type": "line",
        "x0": x,
        "x1": x,
        "line": {"color": VERMILION, "width": 2},
        "layer": "above",
    }
    wide = tall | {"type": "rect", "x0": low, "x1": high, "line": {"width": 0}, "fillcolor": VERMILION_BAND}
    note = {"x": x, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False, "text": text}
    return {"shapes": [wide, middle], "annotations": [note]}


def first_present(columns: Sequence[str], *names: str) -> str | None:
    """Return the first of ``names`` that is among ``columns``."""
    return next((name for name in names if name in columns), None)
