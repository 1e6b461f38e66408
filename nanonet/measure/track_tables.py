"""tracks.csv and particle_events.csv from the tracks of a movie and their contacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from nanonet.measure.coalescence import OWN, Event
from nanonet.measure.columns import LengthUnit
from nanonet.measure.film import Film
from nanonet.measure.growth import growth_rate
from nanonet.measure.spots import Spots, rows_of
from nanonet.measure.track_columns import (
    ParticleEventTable,
    TrackTable,
    event_columns,
    rate_unit,
    track_columns,
)
from nanonet.records import Column

_TEXT = ("image", "kind", "began", "ended")


@dataclass(frozen=True, kw_only=True)
class Story:
    """The tracks of a movie, and what they have to do with each other.

    Parameters
    ----------
    image
        Name of the movie.
    unit
        Of lengths.
    spots, track
        Particles, and the track (n,) of each.
    mixed
        (n,) whether a row shows more, or less, than the particle of its track.
    joined
        Frames in which each track was part of a neighbour that it parted from again.
    events
        In the order of frames.
    max_gap
        Frames in a row in which a particle may be missing.
    """

    image: str
    unit: LengthUnit
    spots: Spots
    track: Int[np.ndarray, " n"]
    mixed: Bool[np.ndarray, " n"]
    joined: dict[int, int]
    events: tuple[Event, ...]
    max_gap: int


def track_table(story: Story, film: Film) -> TrackTable:
    """Return one row a track, in the order of their numbers."""
    columns = track_columns(story.unit, timed=film.frame_time is not None)
    tracks = rows_of(story.spots.frame, story.track)
    changes = _changes(story.events)
    rows = [
        _track(story, film, number, own, np.array(changes.get(number, []), dtype=np.int64))
        for number, own in tracks.items()
    ]
    return TrackTable(data=_data(rows, columns), columns=columns)


def event_table(story: Story, film: Film) -> ParticleEventTable:
    """Return one row an event, in the order of frames."""
    columns = event_columns(story.unit)
    rows = [_event(story, film, event) for event in story.events]
    return ParticleEventTable(data=_data(rows, columns), columns=columns)


def _changes(events: tuple[Event, ...]) -> dict[int, list[int]]:
    """Return the frames of the events of each track."""
    frames: dict[int, list[int]] = {}
    for event in events:
        for track in {event.one, *event.two}:
            frames.setdefault(track, []).append(event.frame)
    return frames


def _track(
    story: Story, film: Film, number: int, rows: Int[np.ndarray, " m"], changes: Int[np.ndarray, " k"]
) -> dict[str, Any]:
    spots, unit = story.spots, story.unit
    first, last = (int(spots.frame[row]) for row in rows[[0, -1]])
    sound = rows[~story.mixed[rows] & ~spots.border[rows]]
    size = 2 * spots.radius[sound]
    piece = np.searchsorted(np.sort(changes), spots.frame[sound], side="right")
    rate = growth_rate(spots.frame[sound] * (film.frame_time or 1.0), size, piece)
    per = rate_unit(unit, timed=film.frame_time is not None)
    return {
        "image": story.image,
        "track_id": number,
        "first_frame": first,
        "last_frame": last,
        "first_time_s": _time(film, first),
        "last_time_s": _time(film, last),
        "frames_seen": len(rows),
        "frames_joined": story.joined.get(number, 0),
        f"begin_diameter_{unit}": float(np.median(size[:OWN])) if len(size) else np.nan,
        f"end_diameter_{unit}": float(np.median(size[-OWN:])) if len(size) else np.nan,
        f"growth_rate_{per}": np.nan if rate is None else rate.value,
        f"growth_rate_low_{per}": np.nan if rate is None else rate.low,
        f"growth_rate_high_{per}": np.nan if rate is None else rate.high,
        "began": _began(story, film, number, int(rows[0])),
        "ended": _ended(story, film, number, int(rows[-1])),
    }


def _time(film: Film, frame: int) -> float:
    return np.nan if film.frame_time is None else frame * film.frame_time


def _began(story: Story, film: Film, number: int, row: int) -> str:
    if story.spots.frame[row] <= story.max_gap:
        return "start of movie"
    if any(event.splits and number in event.two and number != event.one for event in story.events):
        return "split"
    return "border" if _crosses(story.spots, film, row, -1) else "appeared"


def _ended(story: Story, film: Film, number: int, row: int) -> str:
    if story.spots.frame[row] >= film.frames - 1 - story.max_gap:
        return "end of movie"
    if any(not event.splits and number in event.two and number != event.one for event in story.events):
        return "merged"
    return "border" if _crosses(story.spots, film, row, 1) else "vanished"


def _crosses(spots: Spots, film: Film, row: int, step: int) -> bool:
    """Return whether a particle touches the edge, or drifts onto it by the frame before or after."""
    index = spots.frame[row] - spots.frame.min() + step
    near = spots.by_frame[index] if 0 <= index < len(spots.by_frame) else spots.by_frame[0][:0]
    drift = spots.drift[near[0]] if len(near) else spots.drift[row]
    place, radius = spots.position[row] + drift, spots.radius[row]
    beyond = (place - radius < 0).any() or (place + radius > film.field).any()
    return bool(spots.border[row] or beyond)


def _event(story: Story, film: Film, event: Event) -> dict[str, Any]:
    spots, unit = story.spots, story.unit
    y, x = spots.position[event.row] + spots.drift[event.row]
    one, two = ((event.one, None), event.two)
    area_one, area_two = (event.area_one, np.nan), event.area_two
    before, after = ((one, area_one), (two, area_two)) if event.splits else ((two, area_two), (one, area_one))
    total = event.area_one / sum(event.area_two)
    return {
        "image": story.image,
        "kind": "splitting" if event.splits else "coalescence",
        "frame": event.frame,
        "time_s": _time(film, event.frame),
        "contact_frame": event.contact,
        **{
            f"track_{when}_{i + 1}": side[0][i]
            for when, side in (("before", before), ("after", after))
            for i in (0, 1)
        },
        **{
            f"area_{when}_{i + 1}_{unit}2": side[1][i]
            for when, side in (("before", before), ("after", after))
            for i in (0, 1)
        },
        "area_ratio": 1 / total if event.splits else total,
        "area_conserved": event.conserved,
        f"gap_{unit}": event.gap,
        f"y_{unit}": y,
        f"x_{unit}": x,
        "confidence": event.confidence,
    }


def _data(rows: Sequence[dict[str, Any]], columns: tuple[Column, ...]) -> pd.DataFrame:
    """Return rows as a table whose columns have their types even where there is no row."""
    names = [column.name for column in columns]
    data = pd.DataFrame(list(rows), columns=names)
    return data.astype({name: _dtype(name) for name in names})


def _dtype(name: str) -> str:
    if name in _TEXT:
        return "object"
    if name == "area_conserved":
        return "bool"
    whole = name in ("frame", "contact_frame", "first_frame", "last_frame", "frames_seen", "frames_joined")
    return "Int64" if whole or name.startswith("track_") else "float64"
