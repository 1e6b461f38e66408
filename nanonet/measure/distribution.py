"""size_distribution.csv: which share of the particles is how large, with intervals, raw and corrected."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.measure.columns import LengthUnit, length_unit
from nanonet.measure.corrections import corrections
from nanonet.measure.resampling import Sample, interval, sample_of
from nanonet.measure.statistics import whole_particles
from nanonet.records import Column, ImageTable, ParticleTable, Table

_BINS = (5, 60)


class SizeTable(Table):
    """size_distribution.csv: one row a class of equivalent diameters."""

    stem = "size_distribution"


def size_distribution(table: ParticleTable, images: ImageTable | None = None) -> SizeTable:
    """Return the shares of particles in classes of equivalent diameter, with their 90 % intervals.

    Classes are equally wide, 5 to 60 after Freedman and Diaconis. Which particles count, what is resampled,
    and what sizes are corrected for is as in `nanonet.measure.statistics.summarise`; "corrected" is for all
    that can be corrected for.

    Returns
    -------
    SizeTable
        Empty where no particle is whole; intervals are NaN where there is none.
    """
    unit = length_unit(table)
    whole = whole_particles(table)
    columns = _columns(unit)
    if whole.empty:
        return SizeTable(data=pd.DataFrame(columns=[one.name for one in columns]), columns=columns)
    sizes = whole[f"equivalent_diameter_{unit}"].to_numpy(dtype=float)
    edges = _edges(sizes)
    within = np.clip(np.searchsorted(edges, sizes, side="right") - 1, 0, len(edges) - 2)
    sample = sample_of(whole)
    weights = [weight for _, weight in corrections(whole, images, unit)]
    raw = _shares(within, len(edges) - 1, np.ones(len(whole)), sample)
    corrected = _shares(within, len(edges) - 1, weights[-1], sample) if weights else raw
    counts = np.bincount(within, minlength=len(edges) - 1)
    values = (edges[:-1], edges[1:], counts, *raw, *corrected)
    data = dict(zip((one.name for one in columns), values, strict=True))
    return SizeTable(data=pd.DataFrame(data), columns=columns)


def _edges(sizes: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"]:
    low, high = float(sizes.min()), float(sizes.max())
    if high <= low:
        low, high = 0.95 * low, 1.05 * high
    width = 2 * float(np.subtract(*np.percentile(sizes, [75, 25]))) / len(sizes) ** (1 / 3)
    return np.linspace(low, high, int(np.clip((high - low) / width if width > 0 else 20, *_BINS)) + 1)


def _shares(
    within: np.ndarray, bins: int, weight: Float[np.ndarray, " n"], sample: Sample
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Return the share of each class, and the ends of its interval."""
    held = np.zeros((max(sample.groups, 1), bins))
    np.add.at(held, (sample.group, within), weight)
    share = held.sum(0) / held.sum()
    if not sample.enough:
        return share, np.full(bins, np.nan), np.full(bins, np.nan)
    drawn = sample.drawn() @ held
    low, high = interval(share, drawn / drawn.sum(1, keepdims=True), sample.groups)
    return share, low, np.minimum(high, 1.0)


def _columns(unit: LengthUnit) -> tuple[Column, ...]:
    raw = "of the particles"
    corrected = "the same, corrected for the border, and for overlap where it is known"
    return (
        Column(name=f"diameter_low_{unit}", unit=unit, meaning="least equivalent diameter of the class"),
        Column(name=f"diameter_high_{unit}", unit=unit, meaning="largest equivalent diameter of the class"),
        Column(name="particles", unit="", meaning="number of single particles, whole in their images, in it"),
        Column(name="share", unit="0 to 1", meaning=f"share {raw}"),
        Column(name="share_low", unit="0 to 1", meaning="lower end of its 90 % interval"),
        Column(name="share_high", unit="0 to 1", meaning="upper end"),
        Column(name="share_corrected", unit="0 to 1", meaning=corrected),
        Column(name="share_corrected_low", unit="0 to 1", meaning="lower end of its 90 % interval"),
        Column(name="share_corrected_high", unit="0 to 1", meaning="upper end"),
    )
