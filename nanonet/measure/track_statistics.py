"""Headline numbers of the tracks of a movie: how many coalesced, how fast they grow."""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import Float

from nanonet.measure.track_columns import ParticleEventTable, TrackTable
from nanonet.records import Estimate

_FEWEST = 4
"""Resampling fewer tracks than this says nothing of how they scatter."""
_RESAMPLES = 1000


def summarise_tracks(tracks: TrackTable, events: ParticleEventTable) -> tuple[Estimate, ...]:
    """Return the number of coalescences and the median growth rate, with 90 % intervals.

    The number is that of the events listed; its interval is what their confidences, each taken as a chance by
    itself, leave of it. Rates are resampled over tracks; with fewer than 4 there is no interval.
    """
    merged = events.data[events.data["kind"] == "coalescence"]
    chances = merged["confidence"].to_numpy(dtype=np.float64)
    low, high = _number_interval(chances)
    number = Estimate(
        name="coalescences",
        value=float(len(chances)),
        low=low,
        high=high,
        note="of particles that stayed one; those not recognised are not in the interval",
    )
    return (number, *_growth(tracks))


def _number_interval(chances: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Return the 5 % and 95 % quantile of the number of independent events that are real."""
    density = np.ones(1)
    for chance in chances:
        density = np.convolve(density, [1 - chance, chance])
    low, high = np.searchsorted(np.cumsum(density), [0.05, 0.95])
    return float(low), float(min(high, len(chances)))


def _growth(tracks: TrackTable) -> tuple[Estimate, ...]:
    from scipy.stats import bootstrap

    # "growth_rate_low_nm_per_s" and the like are the ends of its interval.
    column = next(each for each in tracks.columns if re.match(r"growth_rate_(nm|px)_per_", each.name))
    rates = tracks.data[column.name].dropna().to_numpy(dtype=np.float64)
    if not len(rates):
        return ()
    low = high = None
    if len(rates) >= _FEWEST:
        ends = bootstrap(
            (rates,),
            np.median,
            n_resamples=_RESAMPLES,
            confidence_level=0.9,
            method="percentile",
            rng=np.random.default_rng([0]),
        ).confidence_interval
        low, high = float(ends.low), float(ends.high)
    note = f"of the equivalent diameter, {len(rates)} tracks of 5 frames or more; resampled over tracks"
    return (
        Estimate(
            name="median growth rate",
            value=float(np.median(rates)),
            unit=column.unit,
            low=low,
            high=high,
            note=note,
        ),
    )
