"""The reliability diagram of a network: how often readings are right that claim to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nanonet.records.calibration import Calibration, Reliability
from nanonet.report.charts import BLUE, GREY, VERMILION, layout, plain
from nanonet.report.content import Figure
from nanonet.report.numbers import number_text, plain_text

_COLOURS = ("#56B4E9", BLUE, "#009E73", "#E69F00", VERMILION, "#CC79A7")  # Okabe and Ito's
_FEWEST = 10  # readings that make a point; fewer say nothing
_SHARES = (0.34, 1.0)  # of the height: the shares right above, the numbers of readings below
_NUMBERS = (0.0, 0.22)


def reliability_figures(calibration: Calibration) -> tuple[Figure, ...]:
    """Return the reliability diagram, a line for each range of doses; none where nothing was measured.

    Below it are the numbers of readings. The error bars are 90 % intervals (Wilson) as if readings were
    independent; those of one particle are alike, so that the bars are somewhat short.
    """
    groups = [group for group in calibration.reliability if sum(group.number)]
    if not groups:
        return ()
    number = sum(sum(group.number) for group in groups)
    lines = [_line(group, colour) for group, colour in zip(groups, _colours(len(groups)), strict=True)]
    counts = [_counts(group, colour) for group, colour in zip(groups, _colours(len(groups)), strict=True)]
    figure = Figure(
        title=f"Reliability of the network: confidence off by {_mean_gap(groups):.3f} on average",
        caption="Share of readings that are right, a column there and just so deep, over their confidence: "
        f"{number_text(number, 0)} readings in images of simulated particles that neither the network nor "
        "its calibration had learnt from. On the dashed line probabilities come true; below it readings are "
        "too sure. The bars are the numbers of readings in each tenth of confidence.",
        data=(_diagonal(), *lines, *counts),
        layout=layout(
            "confidence",
            "share right",
            xaxis={"range": [0, 1], "anchor": "y2", "dtick": 0.2},
            yaxis={"range": [0, 1.02], "domain": list(_SHARES), "dtick": 0.2},
            yaxis2={
                "title": {"text": "readings"},
                "domain": list(_NUMBERS),
                "anchor": "x",
                "showgrid": False,
                "nticks": 3,
                "automargin": True,
            },
            barmode="stack",
            showlegend=True,
            legend={"title": {"text": "dose (e/Å²)"}, "traceorder": "normal"},
        ),
        tall=True,
    )
    return (figure,)


def _colours(n: int) -> list[str]:
    return [_COLOURS[i % len(_COLOURS)] for i in range(n)]


def _mean_gap(groups: list[Reliability]) -> float:
    """Return the mean over readings of |share right - mean confidence| in their bin."""
    parts = [np.array([group.confidence, group.right, group.number]) for group in groups]
    confidence, right, number = np.concatenate(parts, axis=1)
    return float(np.abs(right - confidence) @ number / number.sum())


def _name(group: Reliability) -> str:
    low, high = (plain_text(float(f"{dose:.2g}")) for dose in group.dose)
    return f"{low} to {high}"


def _diagonal() -> Mapping[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 1],
        "y": [0, 1],
        "line": {"color": GREY, "dash": "dash", "width": 1},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _line(group: Reliability, colour: str) -> Mapping[str, Any]:
    told = np.array(group.number) >= _FEWEST
    confidence, right, number = (np.array(v)[told] for v in (group.confidence, group.right, group.number))
    low, high = _wilson(right, number)
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": _name(group),
        "x": confidence,
        "y": right,
        "customdata": number,
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": high - right,
            "arrayminus": right - low,
            "thickness": 1,
            "width": 0,
        },
        "line": {"color": colour, "width": 2},
        "marker": {"color": colour, "size": 6},
        "hovertemplate": f"{_name(group)} e/Å²: confidence %{{x:.2f}}, right %{{y:.2f}} "
        "(%{customdata} readings)<extra></extra>",
    }
    return dict(plain(trace))


def _counts(group: Reliability, colour: str) -> Mapping[str, Any]:
    """Return bars of the readings in each tenth of confidence."""
    tenth = np.minimum((np.array(group.confidence) * 10).astype(int), 9)
    trace = {
        "type": "bar",
        "x": np.arange(10) / 10 + 0.05,
        "y": np.bincount(tenth, weights=group.number, minlength=10).astype(int),
        "width": 0.096,
        "yaxis": "y2",
        "marker": {"color": colour},
        "showlegend": False,
        "hovertemplate": f"{_name(group)} e/Å²: %{{y}} readings<extra></extra>",
    }
    return dict(plain(trace))


def _wilson(share: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of Wilson's 90 % interval of shares (J. Am. Stat. Assoc. 22 (1927) 209)."""
    z2 = 1.645**2 / number
    middle = (share + z2 / 2) / (1 + z2)
    half = np.sqrt(z2 * (share * (1 - share) + z2 / 4)) / (1 + z2)
    return np.clip(middle - half, 0.0, share), np.clip(middle + half, share, 1.0)
