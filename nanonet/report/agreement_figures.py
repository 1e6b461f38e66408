"""The figure of agreement with a known truth: read against true depth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nanonet.report.charts import SHARES, layout, plain
from nanonet.report.content import Figure
from nanonet.report.numbers import NO_BREAK_SPACE, number_text


def agreement_figures(score: pd.DataFrame) -> tuple[Figure, ...]:
    """Return the confusion matrix of depth; none without true columns.

    Parameters
    ----------
    score
        Columns ``true_depth`` and ``depth``, a row for each true column that was compared; a missing
        ``depth`` counts as wrong.
    """
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
        "colorscale": SHARES,
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
