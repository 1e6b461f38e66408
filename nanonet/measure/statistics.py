"""Headline numbers of the particles of a run, with 90 % bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from nanonet.measure.border import Field, border_weights
from nanonet.measure.columns import LengthUnit, length_unit
from nanonet.measure.overlap import overlap_weights
from nanonet.records import Estimate, ImageTable, ParticleTable

_RESAMPLES = 1000
_FEWEST = {"images": 2, "tracks": 4, "particles": 4}
"""Resampling fewer of these says nothing of how they scatter."""

_INTERVAL = (5.0, 95.0)
_UNLINKED = "unlinked frames"
Statistic = Callable[[Float[np.ndarray, " n"], Float[np.ndarray, " n"]], float]


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """Rows to be summed up, the group that each belongs to, and what a group is; each row's weight."""

    rows: pd.DataFrame
    group: Int[np.ndarray, " n"]
    kind: str
    weight: Float[np.ndarray, " n"]


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
    whole = table.data[~table.data["touches_border"] & (table.data["confidence"] != 0)]
    sample = _sample(whole)
    note = f"of {len(whole)} particles that do not touch the border; {_how(sample)}"
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
        _estimate(sample, column, statistic, name=name, unit=of, note=note)
        for name, column, of, statistic in wanted
    ]
    for correction, weight in _corrections(whole, images, diameter):
        weighted = replace(sample, weight=weight / weight.mean())
        sizes += [
            _estimate(weighted, column, statistic, name=f"{name}, {correction}", unit=of, note=note)
            for name, column, of, statistic in wanted
            if column == diameter
        ]
    return (*_numbers(table), *sizes)


def _corrections(
    whole: pd.DataFrame, images: ImageTable | None, diameter: str
) -> Iterator[tuple[str, Float[np.ndarray, " n"]]]:
    """Yield what sizes can be corrected for, and the weight of each particle then."""
    if images is None:
        return
    unit: LengthUnit = "nm" if diameter.endswith("_nm") else "px"
    weight = border_weights(whole, _fields(images, unit), unit)
    yield "corrected for the border", weight
    hidden = _unresolved(images)
    if hidden > 0:
        overlap = overlap_weights(whole[diameter].to_numpy(dtype=float), weight, hidden)
        yield "corrected for border and overlap", weight * overlap


def _fields(images: ImageTable, unit: LengthUnit) -> Mapping[str, Field]:
    rows = images.data.drop_duplicates("image")
    lengths = zip(rows[f"height_{unit}"].astype(float), rows[f"width_{unit}"].astype(float), strict=True)
    return dict(zip(rows["image"].astype(str), lengths, strict=True))


def _unresolved(images: ImageTable) -> float:
    """Return the share of the particles' area in all images that could not be told apart; 0 if not known."""
    known = images.data[images.data["unresolved"].notna()]
    frame = known.filter(regex="^(height|width)_").prod(axis=1)
    hidden, seen = (float((known[column] * frame).sum()) for column in ("unresolved", "covered"))
    return hidden / (hidden + seen) if hidden else 0.0


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


def _sample(rows: pd.DataFrame) -> _Sample:
    even = np.ones(len(rows))
    if rows["image"].nunique() >= _FEWEST["images"]:
        return _Sample(rows=rows, group=pd.factorize(rows["image"])[0], kind="images", weight=even)
    if len(rows) and rows["track_id"].notna().all():
        keys = rows["image"].astype(str) + "/" + rows["track_id"].astype(str)
        return _Sample(rows=rows, group=pd.factorize(keys)[0], kind="tracks", weight=even)
    if rows["frame"].nunique() > 1:  # the same particles again and again, nobody knows which
        return _Sample(rows=rows, group=np.zeros(len(rows), dtype=int), kind=_UNLINKED, weight=even)
    return _Sample(rows=rows, group=np.arange(len(rows)), kind="particles", weight=even)


def _groups(sample: _Sample) -> int:
    return int(sample.group.max()) + 1 if len(sample.group) else 0


def _how(sample: _Sample) -> str:
    groups = _groups(sample)
    if sample.kind == _UNLINKED:
        return "the frames are not linked: no interval"
    if groups < _FEWEST[sample.kind]:
        return f"{groups} {sample.kind} are too few for an interval"
    of = " of this image alone" if sample.kind == "particles" else ""
    return f"resampled over {groups} {sample.kind}{of}"


def _estimate(
    sample: _Sample, column: str, statistic: Statistic, *, name: str, unit: str, note: str
) -> Estimate:
    values = sample.rows[column].to_numpy(dtype=np.float64)
    order = np.argsort(values)
    weight = sample.weight[order]
    value = statistic(values[order], weight)
    if not np.isfinite(value) or _groups(sample) < _FEWEST.get(sample.kind, np.inf):
        return Estimate(name=name, value=value, unit=unit, note=note)
    low, high = _interval(values[order], weight, sample.group[order], statistic, np.random.default_rng([0]))
    return Estimate(name=name, value=value, unit=unit, low=low, high=high, note=note)


def _interval(
    values: Float[np.ndarray, " n"],
    weight: Float[np.ndarray, " n"],
    group: Int[np.ndarray, " n"],
    statistic: Statistic,
    generator: np.random.Generator,
) -> tuple[float, float]:
    """Return the percentiles of a positive ``statistic`` when groups are drawn anew, wider for few groups."""
    from scipy.stats import norm, t

    groups = int(group.max()) + 1
    draws = np.empty(_RESAMPLES)
    for i in range(_RESAMPLES):
        times = np.bincount(generator.integers(groups, size=groups), minlength=groups)
        draws[i] = statistic(values, weight * times[group])
    # The variance of n drawn from n is smaller by (n - 1) / n, and its ends are as if n were large.
    end = _INTERVAL[1] / 100
    wider = np.sqrt(groups / (groups - 1)) * t.ppf(end, groups - 1) / norm.ppf(end)
    middle = statistic(values, weight)
    low, high = middle + wider * (np.nanpercentile(draws, _INTERVAL) - middle)
    return float(max(low, 0.0)), float(high)


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
