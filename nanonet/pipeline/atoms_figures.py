"""Figures of what lies how deep, of what noise hides, and of the threshold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nanonet.atoms.detected import Detected
from nanonet.atoms.hidden import ShellTable
from nanonet.atoms.penetration import IN_A_MEAN, STATISTICS, Penetration, running_means
from nanonet.report.charts import BLUE, GREY, VERMILION, layout, plain, thinned
from nanonet.report.content import Figure

_GROUP = "From the surface inwards"
_SEARCH = "The search"


def penetration_figures(data: pd.DataFrame, found: Mapping[str, Penetration]) -> tuple[Figure, ...]:
    """Return statistics over depth: running means of five atoms, and what was fitted to the atoms."""
    depth = data["depth_angstrom"].to_numpy(dtype=float)
    return tuple(
        _over_depth(depth, data[name].to_numpy(dtype=float), name, fit) for name, fit in found.items()
    )


def _over_depth(depth: np.ndarray, values: np.ndarray, name: str, fit: Penetration) -> Figure:
    at, means = running_means(depth, values)
    some = thinned(len(at), 1000)
    line = np.unique(np.append(np.linspace(0, np.nanmax(depth), 40), [fit.depth] if fit.depth > 0 else []))
    text = STATISTICS[name]
    if np.isfinite(fit.depth):
        low, high = fit.depth_interval
        said = f"It is as inside from {fit.depth:.2g} Å [{low:.2g}, {high:.2g}] below the surface's atoms."
    else:
        said = "At the surface it is no different."
    return Figure(
        group=_GROUP,
        title=text[0].upper() + text[1:],
        caption=f"Dots: running means of {IN_A_MEAN} atoms; line: linear, then constant. {said}",
        data=(
            plain(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": at[some],
                    "y": means[some],
                    "marker": {"size": 4, "color": BLUE, "opacity": 0.5},
                    "hoverinfo": "skip",
                },
                4,
            ),
            plain(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": line,
                    "y": fit.line(line),
                    "line": {"color": VERMILION, "width": 2},
                    "hoverinfo": "skip",
                },
                4,
            ),
        ),
        layout=layout("depth (Å)", text, yaxis={"rangemode": "normal"}),
    )


def search_figures(detected: Detected, shells: ShellTable) -> tuple[Figure, ...]:
    """Return what noise hides by radius, and the threshold curve; of each only where it is known."""
    figures = []
    if shells.data["expected_hidden"].notna().any():
        figures.append(_hidden(shells.data))
    if detected.binarised is not None:
        figures.append(_thresholds(detected))
    return tuple(figures)


def _hidden(data: pd.DataFrame) -> Figure:
    middle = (data["radius_low_angstrom"] + data["radius_high_angstrom"]).to_numpy() / 20
    width = float((data["radius_high_angstrom"] - data["radius_low_angstrom"]).iloc[0]) / 10 * 0.42
    kinds = {"expected_false": ("of noise", GREY, -0.5), "expected_hidden": ("hidden", BLUE, 0.5)}
    return Figure(
        group=_SEARCH,
        title="What noise makes up and hides",
        caption="Expected number of atoms that are none (grey), and of atoms at empty sites of the lattice "
        "(blue), by distance from the middle.",
        data=tuple(
            plain(
                {
                    "type": "bar",
                    "name": text,
                    "x": middle + side * width,
                    "y": data[name].to_numpy(),
                    "width": width,
                    "marker": {"color": colour},
                    "hovertemplate": f"%{{y:.2f}} {text}<extra></extra>",
                },
                4,
            )
            for name, (text, colour, side) in kinds.items()
        ),
        layout=layout("distance from the middle (nm)", "atoms"),
    )


def _thresholds(detected: Detected) -> Figure:
    assert detected.binarised is not None
    cut = detected.binarised
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": cut.thresholds,
        "y": cut.correlations,
        "line": {"color": BLUE},
        "hovertemplate": "%{x:.3g}: %{y:.3f}<extra></extra>",
    }
    return Figure(
        group=_SEARCH,
        title="The threshold",
        caption="Correlation of the map with the one simulated from the components above each threshold; the "
        "highest was taken.",
        data=(plain(trace, 4),),
        layout=layout("threshold of the denoised map", "correlation", yaxis={"rangemode": "normal"}),
    )
