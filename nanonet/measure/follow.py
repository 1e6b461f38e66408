"""What a movie tells beyond its frames: how each particle fared, and which became one or two."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nanonet.measure.absorption import SURE
from nanonet.measure.coalescence import LEAST, events
from nanonet.measure.columns import LengthUnit, length_unit
from nanonet.measure.contacts import contacts
from nanonet.measure.film import Film
from nanonet.measure.spots import Spots, spots_of
from nanonet.measure.track_columns import ParticleEventTable, TrackTable
from nanonet.measure.track_tables import Story, event_table, track_table
from nanonet.records import InputError, ParticleTable


def follow(
    table: ParticleTable, film: Film, *, max_gap: int = 2, lasting: int = 3, least: float = LEAST
) -> tuple[TrackTable, ParticleEventTable]:
    """Return how each particle of a linked movie fared, and which became one or two.

    `nanonet.measure.track_columns` says what each column is.

    Parameters
    ----------
    table
        Particles of one movie, with ``track_id``.
    film
        What else is known of it.
    max_gap
        Frames in a row in which a particle may be missing.
    lasting
        Frames that two must be one to have coalesced, or one two to have split, and that a particle must be
        seen to take part in either; what is over sooner is a mistake of the segmentation.
    least
        Confidence from which an event is listed.

    Raises
    ------
    InputError
        If ``track_id`` is empty, if the table holds several images, or if a number is out of range.
    """
    unit = length_unit(table)
    data = table.data
    if max_gap < 0 or lasting < 1:
        raise InputError(f"max_gap must be 0 and lasting 1 frame or more, got {max_gap} and {lasting}")
    if data["track_id"].isna().any():
        raise InputError("particles are followed once they are linked: track_id is empty")
    if data["image"].nunique() > 1:
        raise InputError(f"one movie is followed at a time, got {data['image'].nunique()} images")
    story = _story(data, unit, max_gap, lasting, least) if len(table) else _no_story(unit)
    return track_table(story, film), event_table(story, film)


def _story(data: pd.DataFrame, unit: LengthUnit, max_gap: int, lasting: int, least: float) -> Story:
    max_step = float(data[f"equivalent_diameter_{unit}"].median())
    spots = spots_of(data, unit, max_step)
    track = data["track_id"].to_numpy(dtype=np.int64)
    found = contacts(spots, track, max_gap=max_gap, reach=max_step, lasting=lasting, least=min(least, SURE))
    return Story(
        image=str(data["image"].iloc[0]),
        unit=unit,
        spots=spots,
        track=track,
        mixed=found.mixed,
        joined=found.joined,
        events=events(spots, track, found, lasting=lasting, least=least),
        max_gap=max_gap,
    )


def _no_story(unit: LengthUnit) -> Story:
    """Return the story of a movie in which nothing was found."""
    none = np.zeros(0)
    flags, numbers, places = none.astype(bool), none.astype(np.int64), none.reshape(0, 2)
    spots = Spots(frame=numbers, position=places, drift=places, area=none, border=flags)
    return Story(
        image="", unit=unit, spots=spots, track=numbers, mixed=flags, joined={}, events=(), max_gap=0
    )
