"""The results of the benchmark: tables for the terminal, headline figures, a plot."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HEADLINE = ("recall", "precision", "exact", "within_one", "bias", "ece", "coverage")
MOVIE = ("exact_steady", "exact_changing", "vacant_filled")
TITLES = {
    "recall": "recall",
    "precision": "precision",
    "exact": "exact depth",
    "within_one": "±1",
    "bias": "bias",
    "ece": "ECE",
    "coverage": "coverage",
    "exact_steady": "steady",
    "exact_changing": "changing",
    "vacant_filled": "vacant filled",
    "exact_lost": "exact lost",
    "within_one_lost": "±1 lost",
}
SIGNED = ("bias", "exact_lost", "within_one_lost")


def print_table(scores: pd.DataFrame, title: str) -> None:
    """Print the metrics of each condition and reader, with the 90 % intervals of exact depth."""
    print(f"\n{title}")
    metrics = [name for name in TITLES if name in set(scores["metric"])]
    width = {name: 20 if name.startswith("exact") and name != "exact_steady" else 14 for name in metrics}
    header = "".join(f"{TITLES[name]:>{width[name]}}" for name in metrics)
    print(f"{'':<12}{'reader':<18}{header}")
    for (condition, reader), rows in scores.groupby(["condition", "reader"], sort=False):
        by = {row["metric"]: row for row in rows.to_dict("records")}
        cells = "".join(f"{_cell(by.get(name), width[name] == 20):>{width[name]}}" for name in metrics)
        print(f"{condition:<12}{reader:<18}{cells}", flush=True)


def _cell(row: Mapping[Hashable, Any] | None, interval: bool) -> str:
    if row is None or pd.isna(row["value"]):
        return "–"
    sign = "+" if row["metric"] in SIGNED else ""
    text = f"{row['value']:{sign}.3f}"
    return f"{text} [{row['low']:.2f}, {row['high']:.2f}]" if interval and pd.notna(row["low"]) else text


def headline(scores: pd.DataFrame) -> dict[str, float]:
    """Return figures as section_metric_condition, with the reader's name unless it is "network"."""
    figures = {}
    wanted = (*HEADLINE, *MOVIE, "exact_lost", "within_one_lost")
    for row in scores[scores["metric"].isin(wanted) & scores["value"].notna()].to_dict("records"):
        reader = "" if row["reader"] == "network" else f"_{row['reader']}"
        name = f"{row['section']}_{row['metric']}_{row['condition']}{reader}"
        figures[name] = round(float(row["value"]), 4)
    return figures | _against_others(scores)


def _against_others(scores: pd.DataFrame) -> dict[str, float]:
    """Return how far the network is ahead of the informed reader, and its errors over the classical ones.

    Each at the dose where it is worst.
    """
    exact = scores[(scores["section"] == "ceo2") & (scores["metric"] == "exact")]
    by = exact.pivot(index="condition", columns="reader", values="value")
    found = {}
    if {"network", "likelihood"} <= set(by):
        found["ceo2_least_ahead_of_likelihood"] = round(float((by["network"] - by["likelihood"]).min()), 4)
    if {"network", "gaussian_mixture"} <= set(by):
        ratio = (1 - by["network"]) / (1 - by["gaussian_mixture"])
        found["ceo2_most_errors_of_classical"] = round(float(ratio.max()), 3)
    return found


def plot(scores: pd.DataFrame, path: Path) -> None:
    """Write exact depth against dose for all readers, with intervals: all columns, and those that change."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    own = scores[scores["section"] == "ceo2"]
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = {"exact": "all columns", "exact_changing": "columns that change within ±3 frames"}
    for axes, (metric, title) in zip(figure.subplots(1, 2, sharey=True), panels.items(), strict=True):
        shown = own[(own["metric"] == metric) & np.isfinite(own["value"])]
        for reader, rows in shown.groupby("reader", sort=False):
            dose, value = rows["condition"].astype(float), rows["value"].astype(float)
            line = axes.plot(dose, value, "o-", ms=3.5, label=str(reader).replace("_", " "))[0]
            low, high = (rows[end].astype(float).fillna(value) for end in ("low", "high"))
            axes.fill_between(dose, low, high, color=line.get_color(), alpha=0.2, lw=0)
        axes.set(xscale="log", ylim=(0, 1), title=title, xlabel="dose (e/Å² a frame)")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("exact depth, share of true columns")
    if figure.axes[0].has_data():
        figure.axes[0].legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)
