"""Headline numbers of the particles of a run, with 90 % bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.measure.columns import length_unit
from nanonet.measure.corrections import corrections
from nanonet.measure.resampling import Sample, interval, sample_of
from nanonet.records import Estimate, ImageTable, ParticleTable

Statistic = Callable[[Float[np.ndarray, " n"], Float[np.ndarray, " n"]], float]


def whole_particles(table: ParticleTable) -> pd.DataFrame:
    """Return the single particles that lie whole in their images: those that sizes are of."""
    return table.data[~table.data["touches_border"] & (table.data["confidence"] != 0)]


def summarise(table: ParticleTable, images: ImageTable | None = None) -> tuple[Estimate, ...]:
    """Return the number of particles, and mean, median and spread of their sizes.

    Particles that touch the border of the frame are counted but have no part in sizes and shapes, nor do
    those of confidence 0, which are not single particles. The 90 %
    intervals are percentiles of a bootstrap that resamples what is independent: whole images (or movies)
    where there are several, else whole tracks where frames are linked (the frames of a movie show the same
    particles), else the particles of the only image, which say nothing of another image. They are as much
    wider as Student's t is for so few (Hesterberg, Am. Stat. 69, 371 (2015)). With fewer than 2 images or 4
    tracks or particles, or where a movie is not linked, there is no interval, and the note says so. Sizes
    come raw and,
    where the images are given, corrected for the border, which large particles touch more often
    (`nanonet.measure.border`), and, where some could not be told apart, for overlap too, which hides large
    ones more often (`nanonet.measure.overlap`).

    Parameters
    ----------
    images
        Those that the particles are of.
    """
    unit = length_unit(table)
    whole = whole_particles(table)
    sample, even = sample_of(whole), np.ones(len(whole))
    note = f"of {len(whole)} particles that do not touch the border; {sample.how}"
    diameter = f"equivalent_diameter_{unit}"
    wanted: tuple[tuple[str, str, str, Statistic], ...] = (
        ("mean equivalent diameter", diameter, unit, _mean),
        ("median equivalent diameter", diameter, unit, _median),
        ("standard deviation of the equivalent diameter", diameter, unit, _spread),
        ("mean circularity", "circularity", "", _mean),
    )
    if not len(whole):
        return _numbers(table)
    sizes = [
        _estimate(sample, even, column, statistic, name=name, unit=of, note=note)
        for name, column, of, statistic in wanted
    ]
    for correction, weight in corrections(whole, images, unit):
        weighted = weight / weight.mean()
        sizes += [
            _estimate(sample, weighted, column, statistic, name=f"{name}, {correction}", unit=of, note=note)
            for name, column, of, statistic in wanted
            if column == diameter
        ]
    return (*_numbers(table), *sizes)


def _numbers(table: ParticleTable) -> tuple[Estimate, ...]:
    """Return the counts: of particles, and of tracks where frames are linked."""
    data = table.data
    note = f"{int(data['touches_border'].sum())} touch the border and are left out of sizes and shapes"
    frames = data[["image", "frame"]].drop_duplicates().shape[0]
    if frames > 1:
        note = f"in {frames} frames that hold particles; {note}"
    counts = [Estimate(name="particles", value=float(len(data)), note=note)]
    if data["track_id"].notna().any():
        tracks = float(data["track_id"].nunique())
        counts.append(Estimate(name="tracks", value=tracks, note="particles followed through the frames"))
    return tuple(counts)


def _estimate(
    sample: Sample,
    weight: Float[np.ndarray, " n"],
    column: str,
    statistic: Statistic,
    *,
    name: str,
    unit: str,
    note: str,
) -> Estimate:
    values = sample.rows[column].to_numpy(dtype=np.float64)
    order = np.argsort(values)
    values, weight, group = values[order], weight[order], sample.group[order]
    value = statistic(values, weight)
    if not np.isfinite(value) or not sample.enough:
        return Estimate(name=name, value=value, unit=unit, note=note)
    draws = np.array([statistic(values, weight * times[group]) for times in sample.drawn()])
    low, high = interval(np.array([value]), draws[:, None], sample.groups)
    return Estimate(name=name, value=value, unit=unit, low=float(low[0]), high=float(high[0]), note=note)


def _mean(values: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]) -> float:
    return float(values @ weights / weights.sum())


def _median(values: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]) -> float:
    """Return the median of ascending ``values``, each taken ``weights`` times."""
    reached = np.cumsum(weights)
    half = reached[-1] / 2.0
    lower = values[np.searchsorted(reached, half)]
    upper = values[np.searchsorted(reached, half, side="right")]
    return float(lower + upper) / 2.0


def _spread(values: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]) -> float:
    """Return the standard deviation with one degree of freedom taken off; NaN for a single value."""
    number = weights.sum()
    if number < 2:
        return float("nan")
    return float(np.sqrt(weights @ (values - _mean(values, weights)) ** 2 / (number - 1.0)))
