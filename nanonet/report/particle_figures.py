"""Figures of a table of particles: how large, what shape, and how that changes over a movie."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nanonet.records import ParticleTable
from nanonet.report.charts import (
    BLUE,
    SERIES,
    band,
    counts_over_frames,
    first_present,
    histogram,
    layout,
    line,
    over_frames,
    plain,
    thinned,
    vertical,
)
from nanonet.report.content import Figure
from nanonet.report.numbers import plain_text, with_unit

DIAMETERS = ("equivalent_diameter_nm", "equivalent_diameter_px")


def particle_figures(table: ParticleTable) -> tuple[Figure, ...]:
    """Return size distribution, shape against size, and for a movie number and mean size over its frames.

    Lengths are in the unit of the table's columns (nm, or pixels where no pixel size is known). Particles
    cut by the border of the image are in no figure of sizes or shapes. An empty table has no figures.
    """
    data = table.data
    column = first_present(list(data), *DIAMETERS)
    if column is None or data[column].notna().sum() == 0:
        return ()
    unit = column.rsplit("_", 1)[1]
    whole = _whole(data)
    figures = []
    if whole[column].notna().any():
        figures.append(_sizes(whole, column, unit, cut=len(data) - len(whole)))
        if "circularity" in data and whole["circularity"].notna().any():
            figures.append(_shapes(whole, column, unit))
    return (*figures, *_over_time(data, whole, column, unit))


def _whole(data: pd.DataFrame) -> pd.DataFrame:
    if "touches_border" not in data:
        return data
    return data[~data["touches_border"].fillna(False).astype(bool)]


def _is_movie(data: pd.DataFrame) -> bool:
    """Whether the frames follow each other in time: several frames of one file."""
    return data["frame"].nunique() > 1 and ("image" not in data or data["image"].nunique() == 1)


def _one_value_a_particle(data: pd.DataFrame, column: str) -> np.ndarray:
    """Return a size for each particle: in a movie the median over its track, else that of each row."""
    linked = data.dropna(subset=["track_id"]) if "track_id" in data else data.iloc[:0]
    if not _is_movie(data) or linked.empty:
        return np.asarray(data[column].dropna().to_numpy(dtype=float))
    return np.asarray(linked.groupby("track_id")[column].median().dropna().to_numpy(dtype=float))


def median_interval(values: np.ndarray) -> tuple[float, float] | None:
    """Return the 90 % interval of the median from order statistics; None for too few values.

    It assumes nothing of the distribution: the number of values below the median is binomial, so the ranks
    k and n + 1 - k enclose it with a chance of at least 90 % (Conover, Practical Nonparametric Statistics).
    """
    from scipy.stats import binom

    rank = int(binom.ppf(0.05, len(values), 0.5))
    if rank < 1 or binom.cdf(rank - 1, len(values), 0.5) > 0.05:
        return None
    ordered = np.sort(values)
    return float(ordered[rank - 1]), float(ordered[-rank])


def _sizes(data: pd.DataFrame, column: str, unit: str, *, cut: int) -> Figure:
    values = _one_value_a_particle(data, column)
    median = float(np.median(values))
    low, high = median_interval(values) or (None, None)
    text = with_unit(median, low, high, unit)
    of = "tracked particles, each by its median over the movie" if _is_movie(data) else "particles"
    left_out = f" {cut} cut by the border of the image are left out." if cut else ""
    interval = ", with the 90 % interval of the median" if low is not None else ""
    return Figure(
        title=f"Particle size: median {text}",
        caption=f"Diameter of the circle of equal area of {len(values)} {of}{interval}. 90 % of them lie between "
        f"{plain_text(float(np.quantile(values, 0.05)), 3)} and "
        f"{plain_text(float(np.quantile(values, 0.95)), 3)} {unit}.{left_out}",
        data=(histogram(values, hover=f"%{{x:.3~g}} {unit}: %{{y}} particles"),),
        layout=layout(
            f"equivalent diameter ({unit})", "particles", **vertical(median, f"median {plain_text(median, 3)} {unit}")
        ),
    )


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


def _over_time(data: pd.DataFrame, whole: pd.DataFrame, column: str, unit: str) -> tuple[Figure, ...]:
    if not _is_movie(data):
        return ()
    counts = counts_over_frames(data["frame"])
    number = Figure(
        title="Particles over time",
        caption="Number of particles found in each frame." + _averaged(data["frame"], counts),
        data=(line(counts, y="mean", name="particles", colour=BLUE, hover="frame %{x:.0f}: %{y:.4~g}"),),
        layout=layout("frame", "particles"),
    )
    sizes = over_frames(whole["frame"], whole[column])
    if sizes.empty:
        return (number,)
    hover = f"frame %{{x:.0f}}: mean %{{y:.3~g}} {unit}"
    size = Figure(
        title="Size over time",
        caption="Mean equivalent diameter of each frame; the band holds the middle 90 % of its particles."
        + _averaged(whole["frame"], sizes),
        data=tuple(band(sizes, name="mean", colours=SERIES[0], hover=hover)),
        layout=layout("frame", f"equivalent diameter ({unit})"),
    )
    return number, size


def _averaged(frames: pd.Series, points: pd.DataFrame) -> str:
    span = int(frames.max() - frames.min()) + 1
    return f" Neighbouring frames are taken together ({len(points)} points)." if len(points) * 1.5 < span else ""
