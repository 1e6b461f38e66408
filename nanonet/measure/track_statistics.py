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

    Of the events listed each is taken to be real with the chance that its confidence is, by itself: the
    number is the median of how many are, with its interval. Rates are resampled over tracks; with fewer than
    4 there is no interval.
    """
    merged = events.data[events.data["kind"] == "coalescence"]
    chances = merged["confidence"].to_numpy(dtype=np.float64)
    low, middle, high = _number(chances)
    number = Estimate(
        name="coalescences",
        value=middle,
        low=low,
        high=high,
        note=f"of particles that stayed one, of {len(chances)} listed; those not recognised are not in the "
        "interval",
    )
    return (number, *_growth(tracks))


def _number(chances: Float[np.ndarray, " n"]) -> tuple[float, float, float]:
    """Return the 5 %, 50 % and 95 % quantile of the number of independent events that are real."""
    density = np.ones(1)
    for chance in chances:
        density = np.convolve(density, [1 - chance, chance])
    low, middle, high = np.minimum(np.searchsorted(np.cumsum(density), [0.05, 0.5, 0.95]), len(chances))
    return float(low), float(middle), float(high)


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
