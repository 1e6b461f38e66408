"""What a sweep found, as a picture: one panel for each key that was varied."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nanonet.io.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS = ("val/exact", "val/dice", "val/loss")
"""What is drawn: the first of these that was logged. Losses of unlike kinds cannot be compared."""
SEED = "seed"
MOST_LINES = 8
"""Lines of one panel that are told apart by a legend; of more it would be longer than the panel."""
DECADES = 20.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""


def plot_sweep(output: Path, table: pd.DataFrame, keys: Sequence[str]) -> Path:
    """Write sweep.png into a sweep's folder and return its path; see `sweep_figure`."""
    file = output / "sweep.png"
    figure = sweep_figure(table, keys)
    with atomic_path(file) as temporary:
        figure.savefig(temporary, dpi=150)
    return file


def sweep_figure(table: pd.DataFrame, keys: Sequence[str]) -> Figure:
    """Return one panel a key: a metric against its value, a point a run.

    Runs that differ in this key and in the seed alone are joined by a line through the means over seeds; a
    bar goes from the lowest to the highest of the seeds. The seed has a panel only where nothing else was
    varied.

    Parameters
    ----------
    table
        As `nanonet.train.sweep.tabulate` returns it.
    keys
        What was varied: columns of the table.
    """
    from matplotlib.figure import Figure

    metric = next(name for name in METRICS if name in table)
    shown = [key for key in keys if key != SEED] or list(keys)
    figure = Figure(figsize=(4.5 * max(len(shown), 1), 5.0), layout="constrained")
    panels = figure.subplots(1, max(len(shown), 1), sharey=True, squeeze=False)[0]
    for panel, key in zip(panels, shown, strict=False):
        _draw(panel, table, key, [other for other in shown if other != key], metric)
    panels[0].set_ylabel(metric)
    return figure


def _draw(panel: Axes, table: pd.DataFrame, key: str, others: list[str], metric: str) -> None:
    places = _place(panel, table[key])
    placed = table.assign(_place=places).dropna(subset=[metric])
    lines = list(placed.groupby(others, dropna=False)) if others else [((), placed)]
    for values, runs in lines:
        over_seeds = runs.groupby("_place")[metric].agg(["mean", "min", "max"])
        label = ", ".join(short(value) for value in values)
        (line,) = panel.plot(over_seeds.index, over_seeds["mean"], lw=1.2, alpha=0.7, label=label)
        panel.vlines(
            over_seeds.index, over_seeds["min"], over_seeds["max"], color=line.get_color(), lw=3, alpha=0.3
        )
        panel.plot(runs["_place"], runs[metric], "o", ms=5, color=line.get_color())
    panel.set_xlabel(key)
    panel.grid(alpha=0.3)
    if 1 < len(lines) <= MOST_LINES:
        panel.legend(
            title=", ".join(others),
            fontsize="small",
            title_fontsize="small",
            loc="upper center",
            bbox_to_anchor=(0.5, -0.16),
        )


def _place(panel: Axes, values: pd.Series[Any]) -> list[float]:
    """Return where values lie along x: numbers where they are, anything else side by side under its name."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        if values.min() > 0 and values.max() > DECADES * values.min():
            panel.set_xscale("log")
        return [float(value) for value in values]
    names = list(dict.fromkeys(short(value) for value in values))
    crowded = len(names) > 2
    panel.set_xticks(
        range(len(names)), names, rotation=20 if crowded else 0, ha="right" if crowded else "center"
    )
    panel.margins(x=0.3)
    return [float(names.index(short(value))) for value in values]


def short(value: Hashable) -> str:
    """Return a value as a label: numbers briefly, of a ``_target_`` the class and what is behind it."""
    if isinstance(value, float):
        return f"{value:g}"
    name, bracket, rest = str(value).partition("(")
    dotted = name.replace(".", "").isidentifier()
    return (name.rpartition(".")[2] if dotted else name) + bracket + rest
