"""Events of a movie in order of their certainty: for a list, for the viewer, and for the choice of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nanonet.records import Table
from nanonet.report.charts import plain
from nanonet.report.history import History

KINDS = {
    "gain": ("atom gained", "triangle-up"),
    "loss": ("atom lost", "triangle-down"),
    "birth": ("column appears", "triangle-up-open"),
    "death": ("column vanishes", "triangle-down-open"),
}
"""What each kind of event is called, and the mark that it is drawn with."""
LISTED = 50
"""Events that the page lists."""
DRAWN = 4000
"""Events that the viewer knows: the most certain ones."""
FRAMES_SHOWN = 60
"""Frames of a movie that the viewer shows."""
WHOLE = ("track_id", "frame", "frame_low", "frame_high", "depth_before", "depth_after")
"""Columns of an event that are whole numbers."""
_FOR_EVENTS = 12


@dataclass(frozen=True, kw_only=True)
class ListedEvent:
    """An event in words, with the frame and site that the viewer goes to; ``chance`` is what it sorts by."""

    frame: int
    track: int
    time: str
    what: str
    interval: str
    chance: float
    probability: str


def kinds_of(events: pd.DataFrame) -> np.ndarray:
    """Return (n,) the kind of each event, one of `KINDS`, by the depths before and after it."""
    before, after = events["depth_before"].to_numpy(int), events["depth_after"].to_numpy(int)
    rise = np.where(before == 0, "birth", "gain")
    return np.where(after > before, rise, np.where(after == 0, "death", "loss"))


def events_at_sites(events: Table, history: History) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the events whose track is a site of the movie, and (n,) the rows of their sites."""
    data = events.data.dropna(subset=["track_id", "frame"])
    site = history.index_of(data["track_id"].to_numpy(dtype=int))
    return data[site >= 0].reset_index(drop=True), site[site >= 0]


def most_certain(events: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the ``most`` most probable events, earlier ones first among equals."""
    return events.sort_values(["probability", "frame"], ascending=[False, True], kind="stable").iloc[:most]


def listed_events(
    events: Table, history: History, frame_time: float | None, most: int = LISTED
) -> tuple[ListedEvent, ...]:
    """Return the most certain events in words."""
    known, _ = events_at_sites(events, history)
    best = most_certain(known, most)
    return tuple(
        ListedEvent(
            frame=row["frame"],
            track=row["track_id"],
            time="" if frame_time is None else f"{row['frame'] * frame_time:.4g} s",
            what=f"{KINDS[kind][0]}: {row['depth_before']} → {row['depth_after']}",
            interval=f"{row['frame_low']}–{row['frame_high']}",
            chance=float(chance),
            probability=_chance(float(chance)),
        )
        for row, kind, chance in zip(_whole(best), kinds_of(best), best["probability"], strict=True)
    )


def _whole(events: pd.DataFrame) -> list[dict[str, int]]:
    return [dict(zip(WHOLE, row, strict=True)) for row in events[list(WHOLE)].to_numpy(int).tolist()]


def _chance(value: float) -> str:
    return "> 0.99" if value > 0.99 else f"{value:.2f}"


def event_data(events: Table, history: History, most: int = DRAWN) -> dict[str, Any]:
    """Return what the viewer draws of events: a list a property, one entry an event."""
    known, _ = events_at_sites(events, history)
    best = most_certain(known, most)
    return dict(plain({name: best[name].to_numpy(dtype=float) for name in (*WHOLE, "probability")}, 3))


def frames_to_show(count: int, events: Table | None = None, most: int = FRAMES_SHOWN) -> tuple[int, ...]:
    """Return which of ``count`` frames the viewer shows, in order: all of a short movie.

    Of a longer one they are spread evenly, but for those just before and just after each of the twelve most
    certain events.
    """
    if count <= most:
        return tuple(range(count))
    pairs: set[int] = set()
    if events is not None:
        best = most_certain(events.data.dropna(subset=["frame"]), _FOR_EVENTS)
        for row in _whole(best):
            pairs |= {row["frame"], max(0, row["frame_low"] - 1)}
    chosen = {frame for frame in sorted(pairs) if frame < count}
    evenly = np.linspace(0, count - 1, max(2, most - len(chosen))).round().astype(int)
    return tuple(sorted(chosen | set(evenly.tolist())))
