"""The results of the benchmark: tables for the terminal, headline figures, a plot."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

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
    "exact_1_3": "of 1 to 3",
    "exact_4_6": "of 4 to 6",
    "exact_7_up": "of 7 and more",
    "bias_7_up": "their bias",
    "exact_lost": "exact lost",
    "within_one_lost": "±1 lost",
}
OURS = ("network", "seven_frames")
NO_NETWORK = ("classical", "gaussian_mixture", "likelihood")
FULL = tuple(TITLES)
BRIEF = ("exact", "within_one", "exact_changing", "vacant_filled")
"""Metrics of the headline: of the network itself, and of the other readers."""
SIGNED = ("bias", "bias_7_up", "exact_lost", "within_one_lost")
WITH_INTERVAL = ("exact", "exact_changing", "exact_lost")


def print_absent(reasons: Mapping[str, str]) -> None:
    """Print which readers are not there, and why."""
    for reader, reason in reasons.items():
        print(f"not there: {reader} ({reason})", flush=True)


def print_table(scores: pd.DataFrame, title: str) -> None:
    """Print the metrics of each condition and reader, with the 90 % intervals of exact depth."""
    print(f"\n{title}")
    metrics = [name for name in TITLES if name in set(scores["metric"])]
    width = {name: 22 if name in WITH_INTERVAL else 14 for name in metrics}
    header = "".join(f"{TITLES[name]:>{width[name]}}" for name in metrics)
    print(f"{'':<12}{'reader':<21}{header}")
    for (condition, reader), rows in scores.groupby(["condition", "reader"], sort=False):
        by = {row["metric"]: row for row in rows.to_dict("records")}
        cells = "".join(f"{_cell(by.get(name), width[name] == 22):>{width[name]}}" for name in metrics)
        print(f"{condition:<12}{reader:<21}{cells}", flush=True)


def _cell(row: Mapping[Hashable, Any] | None, interval: bool) -> str:
    if row is None or pd.isna(row["value"]):
        return "–"
    sign = "+" if row["metric"] in SIGNED else ""
    text = f"{row['value']:{sign}.3f}"
    return f"{text} [{row['low']:.2f}, {row['high']:.2f}]" if interval and pd.notna(row["low"]) else text


def headline(scores: pd.DataFrame) -> dict[str, float]:
    """Return figures as section_metric_condition, with the reader's name unless it is "network".

    Of the network all, frame by frame and from seven frames; of the others how many depths are right.
    """
    figures = {}
    for row in scores[scores["value"].notna()].to_dict("records"):
        if row["metric"] in (FULL if row["reader"] in OURS else BRIEF):
            reader = "" if row["reader"] == "network" else f"_{row['reader']}"
            name = f"{row['section']}_{row['metric']}_{row['condition']}{reader}"
            figures[name] = round(float(row["value"]), 4)
    sections = [name for name in ("ceo2", "fcc", "haadf") if name in set(scores["section"])]
    for section in sections:
        figures |= _worst(section, scores[scores["section"] == section])
    return figures


def _worst(section: str, scores: pd.DataFrame) -> dict[str, float]:
    """Return what is promised of every condition where it is kept least.

    How far the network is ahead of the informed reader, its wrong depths over those of the Gaussian mixture,
    its calibration error, and the coverage of its intervals.
    """
    found = {}
    informed, classical = (_values(scores, name, "exact") for name in ("likelihood", "gaussian_mixture"))
    for reader in OURS:
        exact, ece, coverage = (_values(scores, reader, name) for name in ("exact", "ece", "coverage"))
        worst = {
            "most_ece": ece.max(),
            "least_coverage": coverage.min(),
            "most_coverage": coverage.max(),
            "least_ahead_of_likelihood": (exact - informed).min(),
            "most_errors_of_classical": ((1 - exact) / (1 - classical)).max(),
        }
        suffix = "" if reader == "network" else f"_{reader}"
        found |= {f"{section}_{name}{suffix}": value for name, value in worst.items()}
    return {name: round(float(value), 4) for name, value in found.items() if pd.notna(value)}


def _values(scores: pd.DataFrame, reader: str, metric: str) -> pd.Series:
    """Return a metric by condition."""
    rows = scores[(scores["reader"] == reader) & (scores["metric"] == metric)]
    return rows.set_index("condition")["value"].astype(float)


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
            style = "o--" if reader in NO_NETWORK else "o-"
            line = axes.plot(dose, value, style, ms=3.5, label=str(reader).replace("_", " "))[0]
            low, high = (rows[end].astype(float).fillna(value) for end in ("low", "high"))
            axes.fill_between(dose, low, high, color=line.get_color(), alpha=0.2, lw=0)
        axes.set(xscale="log", ylim=(0, 1), title=title, xlabel="dose (e/Å² a frame)")
        axes.xaxis.set_major_formatter(lambda dose, _: f"{dose:,.0f}")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("exact depth, share of true columns")
    if figure.axes[0].has_data():
        figure.axes[0].legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)
