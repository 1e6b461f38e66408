"""Figures of the lattice that was fitted to the columns of each frame."""

from __future__ import annotations

import pandas as pd

from nanonet.records import Column, LatticeTable
from nanonet.report.charts import band, grouping, in_groups, layout
from nanonet.report.content import Figure
from nanonet.report.numbers import unit_text, with_unit
from nanonet.report.time_axis import TimeAxis


def lattice_figures(table: LatticeTable, axis: TimeAxis) -> tuple[Figure, ...]:
    """Return each lattice constant over the frames with the interval of its fit; none for a single frame.

    A lattice constant is a column NAME_UNIT that has its interval beside it, NAME_low_UNIT to NAME_high_UNIT.
    """
    if "frame" not in table.data or table.data["frame"].nunique() < 2:
        return ()
    figures = (_constant(table.data, column, axis) for column in table.columns)
    return tuple(figure for figure in figures if figure is not None)


def _constant(data: pd.DataFrame, column: Column, axis: TimeAxis) -> Figure | None:
    name, _, suffix = column.name.partition("_")
    low, high = f"{name}_low_{suffix}", f"{name}_high_{suffix}"
    if low not in data or high not in data or not data[column.name].notna().any():
        return None
    points = in_groups(data["frame"], {"mean": data[column.name], "low": data[low], "high": data[high]})
    points = points.assign(frame=axis.at(points["frame"].to_numpy()))
    unit, symbol = unit_text(column.unit), {"gamma": "γ"}.get(name, name)
    kind = "angle" if unit == "°" else "constant"
    return Figure(
        title=f"Lattice {kind} {symbol} {axis.along}: mean "
        + with_unit(float(points["mean"].mean()), None, None, unit),
        caption=f"{column.meaning.partition(';')[0].capitalize()}. The band is the 90 % interval of the fit "
        "to each frame." + grouping(data["frame"]),
        data=tuple(band(points, hover=f"{axis.hover}: %{{y:.5~g}} {unit}")),
        layout=layout(axis.title, f"{symbol} ({unit})", yaxis={"rangemode": "normal"}),
    )
