"""Figures of layers: how full sites are, and how often they change, against the way from the surface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nanonet.records import Table
from nanonet.report.charts import BLUE, VERMILION, first_present, layout, plain
from nanonet.report.content import Figure
from nanonet.report.numbers import unit_text

GROUP = "From the surface inwards"
SHOWN = (("occupancy",), ("depth",), ("change_rate",), ("gains", "losses"))
"""Columns that are drawn, those of one figure together; each has its ends NAME_low and NAME_high."""
_APART = 0.12


def layer_figures(layers: Table) -> tuple[Figure, ...]:
    """Return what the table of layers says of each, with 90 % intervals; what it lacks is left out."""
    figures = []
    for names in SHOWN:
        known = [name for name in names if name in layers.data and layers.data[name].notna().any()]
        if known:
            figures.append(_figure(layers, known))
    return tuple(figures)


def _figure(layers: Table, names: Sequence[str]) -> Figure:
    columns = {column.name: column for column in layers.columns}
    unit = unit_text(columns[names[0]].unit)
    words = " and ".join(name.replace("_", " ") for name in names)
    meanings = "; ".join(f"{name.replace('_', ' ')}: {columns[name].meaning}" for name in names)
    highest = float(layers.data[[f"{name}_high" for name in names]].max().max())
    offsets = np.linspace(-_APART, _APART, len(names)) if len(names) > 1 else [0.0]
    colours = (BLUE, VERMILION)
    count = len(layers.data)
    return Figure(
        group=GROUP,
        title=f"{words.capitalize()} against the layer",
        caption=f"{meanings[:1].upper()}{meanings[1:]}. Layer: "
        f"{columns['layer'].meaning}. Bars are 90 % intervals over the sites of a layer.",
        data=tuple(
            _points(layers.data, name, offset, colour)
            for name, offset, colour in zip(names, offsets, colours[: len(names)], strict=True)
        ),
        layout=layout(
            "layer from the surface",
            words + (f"<br>({unit})" if unit else ""),
            xaxis={"dtick": 1 if count <= 15 else 5, "zeroline": False},
            yaxis={"range": [0, 1.05 * (highest if names[0] != "occupancy" else 1.0)]} if highest > 0 else {},
            showlegend=len(names) > 1,
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        ),
    )


def _points(data: pd.DataFrame, name: str, offset: float, colour: str) -> dict[str, Any]:
    known = data[data[name].notna()]
    value, low, high = (known[f"{name}{end}"].to_numpy(dtype=float) for end in ("", "_low", "_high"))
    distance = first_present([str(column) for column in data.columns], "distance_angstrom", "distance_px")
    about = [known["layer"].to_numpy(dtype=float), known["n_sites"].to_numpy(dtype=float), low, high]
    deep = ""
    if distance is not None:
        about.append(known[distance].to_numpy(dtype=float, na_value=np.nan))
        deep = f", %{{customdata[4]:.3~g}} {unit_text(distance.rsplit('_', 1)[1])} from the outline"
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": name.replace("_", " "),
        "x": about[0] + offset,
        "y": value,
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": np.maximum(high - value, 0),
            "arrayminus": np.maximum(value - low, 0),
            "color": colour,
            "thickness": 1.6,
            "width": 5,
        },
        "marker": {"color": colour, "size": 8},
        "customdata": np.stack(about, axis=1),
        "hovertemplate": f"layer %{{customdata[0]}}{deep}, %{{customdata[1]}} sites: %{{y:.3~g}} "
        "[%{customdata[2]:.3~g}, %{customdata[3]:.3~g}]<extra></extra>",
    }
    return dict(plain(trace, 4))
