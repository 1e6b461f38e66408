"""Figures of a table of particles: how large, what shape, and how that changes over a movie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nanonet.records import ParticleTable, Table
from nanonet.report.charts import (
    BLUE,
    GREY,
    VERMILION,
    band,
    bars,
    counts_over_frames,
    first_present,
    grouping,
    layout,
    line,
    marked,
    mean_over_frames,
    over_frames,
    plain,
    thinned,
)
from nanonet.report.content import Figure
from nanonet.report.numbers import number_text, plain_text
from nanonet.report.time_axis import TimeAxis

DIAMETERS = ("equivalent_diameter_nm", "equivalent_diameter_px")


def particle_figures(
    table: ParticleTable, sizes: Table, frame_time: float | None = None
) -> tuple[Figure, ...]:
    """Return size distribution, shape against size, and for a movie number and mean size over time.

    ``sizes`` are the shares of size_distribution.csv. ``frame_time`` [s] is the time between the starts of
    two frames, None where not known. Lengths are in the unit of the table's columns (nm, or pixels where no
    pixel size is known). Particles cut by the border of the image are in no figure of sizes or shapes. An
    empty table has no figures.
    """
    data = table.data
    column = first_present([str(name) for name in data.columns], *DIAMETERS)
    if column is None or data[column].notna().sum() == 0:
        return ()
    unit = column.rsplit("_", 1)[1]
    whole = _whole(data)
    figures = []
    if whole[column].notna().any():
        figures.append(_sizes(whole, sizes.data, column, unit, cut=len(data) - len(whole)))
        if "circularity" in data and whole["circularity"].notna().any():
            figures.append(_shapes(whole, column, unit))
    return (*figures, *_over_time(data, whole, column, unit, TimeAxis(frame_time=frame_time)))


def _whole(data: pd.DataFrame) -> pd.DataFrame:
    """Return the single particles that lie whole in the frame, as the summary has them."""
    kept = np.ones(len(data), dtype=bool)
    if "touches_border" in data:
        kept &= ~data["touches_border"].fillna(False).astype(bool).to_numpy()
    if "confidence" in data:
        kept &= (data["confidence"] != 0).to_numpy()
    return data[kept]


def _is_movie(data: pd.DataFrame) -> bool:
    """Whether the frames follow each other in time: several frames of one file."""
    return data["frame"].nunique() > 1 and ("image" not in data or data["image"].nunique() == 1)


def _sizes(data: pd.DataFrame, shares: pd.DataFrame, column: str, unit: str, *, cut: int) -> Figure:
    values = data[column].dropna().to_numpy(dtype=float)
    low, median, high = (float(size) for size in np.quantile(values, [0.05, 0.5, 0.95]))
    frames = data["frame"].nunique()
    where = f" of {frames} frames" if frames > 1 else ""
    why = "cut by the border of the image, or of no single particle,"
    left_out = f" {number_text(cut, 0)} {why} are left out." if cut else ""
    return Figure(
        title=f"Particle size: median {plain_text(median, 3)} {unit}",
        caption=f"Diameter of the circle of equal area, {number_text(len(values), 0)} particles{where}. "
        f"The shaded band, {plain_text(low, 3)} to {plain_text(high, 3)} {unit}, holds the middle 90 %. "
        "Thin lines on the bars are 90 % intervals; dots are corrected for what border and overlap hide."
        + left_out,
        data=_bars(shares, unit),
        layout=layout(
            f"equivalent diameter ({unit})",
            "particles",
            **marked(median, low, high, f"median {plain_text(median, 3)} {unit}"),
        ),
    )


def _bars(shares: pd.DataFrame, unit: str) -> tuple[dict[str, Any], ...]:
    """Return bars of the number of particles with their intervals, and dots for the corrected numbers."""
    number = int(shares["particles"].sum())
    first, last = (shares[f"diameter_{end}_{unit}"].to_numpy(dtype=float) for end in ("low", "high"))
    raw, low, high = (number * shares[f"share{end}"].to_numpy(dtype=float) for end in ("", "_low", "_high"))
    corrected = number * shares["share_corrected"].to_numpy(dtype=float)
    middle = (first + last) / 2
    bar = bars(
        middle, raw, width=0.96 * (last - first)[0], hover=f"%{{x:.3~g}} {unit}: %{{y:.3~g}} particles"
    )
    if np.isfinite(low).all():
        bar["error_y"] = plain(
            {
                "type": "data",
                "symmetric": False,
                "array": np.maximum(high - raw, 0),
                "arrayminus": np.maximum(raw - low, 0),
                "color": GREY,
                "thickness": 1,
                "width": 2,
            }
        )
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": middle,
        "y": corrected,
        "marker": {"color": VERMILION, "size": 6},
        "hovertemplate": f"%{{x:.3~g}} {unit}: %{{y:.3~g}}, corrected<extra></extra>",
    }
    return (bar, plain(dots)) if not np.allclose(corrected, raw) else (bar,)


def _shapes(data: pd.DataFrame, column: str, unit: str) -> Figure:
    known = data.dropna(subset=[column, "circularity"])
    shown = known.iloc[thinned(len(known))]
    note = f" {len(shown)} of {len(known)} points are drawn." if len(shown) < len(known) else ""
    ids = shown["particle_id"] if "particle_id" in shown else pd.Series(range(len(shown)))
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": shown[column].to_numpy(dtype=float),
        "y": shown["circularity"].to_numpy(dtype=float),
        "customdata": np.stack([ids.to_numpy(dtype=int), shown["frame"].to_numpy(dtype=int)], axis=1),
        "marker": {"color": BLUE, "size": 6, "opacity": 0.7 if len(shown) < 400 else 0.35},
        "hovertemplate": f"%{{x:.3~g}} {unit}, circularity %{{y:.2f}}<br>particle %{{customdata[0]}}, "
        "frame %{customdata[1]}<extra></extra>",
    }
    return Figure(
        title="Shape against size",
        caption=f"Circularity is 4π area / perimeter²: 1 for a disk, less for what is long or rough.{note}",
        data=(plain(trace, 4),),
        layout=layout(f"equivalent diameter ({unit})", "circularity", yaxis={"rangemode": "normal"}),
    )


def _over_time(
    data: pd.DataFrame, whole: pd.DataFrame, column: str, unit: str, axis: TimeAxis
) -> tuple[Figure, ...]:
    if not _is_movie(data):
        return ()
    number = Figure(
        title="Particles over time",
        caption="Number of particles found in each frame." + grouping(data["frame"]),
        data=(line(_along(counts_over_frames(data["frame"]), axis), hover=f"{axis.hover}: %{{y:.4~g}}"),),
        layout=layout(axis.title, "particles"),
    )
    sizes = mean_over_frames(whole["frame"], whole[column])
    if sizes.empty:
        return (number,)
    spread = band(_along(over_frames(whole["frame"], whole[column]), axis), hover="")
    mean = band(_along(sizes, axis), hover=f"{axis.hover}: mean %{{y:.3~g}} {unit}")
    size = Figure(
        title="Size over time",
        caption="Mean equivalent diameter of each frame. The dark band is its 90 % interval (Student's t "
        "over the particles of the frame), the pale one holds the middle 90 % of its particles."
        + grouping(whole["frame"]),
        data=(*spread[:2], *mean),
        layout=layout(axis.title, f"equivalent diameter ({unit})"),
    )
    return number, size


def _along(points: pd.DataFrame, axis: TimeAxis) -> pd.DataFrame:
    return points.assign(frame=axis.at(points["frame"].to_numpy()))
