"""tracks.csv and particle_events.csv: what their columns mean, the one place that says so."""

from __future__ import annotations

from nanonet.measure.columns import LengthUnit
from nanonet.records import Column, Table

_OWN = "the median of up to 3 frames"
_MODEL = (
    "diameter = line in time, the same slope before and after an event, at which it may jump (Theil and "
    "Sen: median of the slopes of all pairs of frames); frames at the border, or in which it was taken for "
    "one with a neighbour, are left out; empty with fewer than 5 frames"
)


class TrackTable(Table):
    """tracks.csv: one row a particle that was followed: when, how large, how fast it grew, how it ended."""

    stem = "tracks"


class ParticleEventTable(Table):
    """particle_events.csv: particles that became one, and ones that became two."""

    stem = "particle_events"


def rate_unit(unit: LengthUnit, *, timed: bool) -> str:
    """Return the end of the names of columns that hold growth rates: nm_per_s, px_per_frame, ..."""
    return f"{unit}_per_{'s' if timed else 'frame'}"


def track_columns(unit: LengthUnit, *, timed: bool) -> tuple[Column, ...]:
    """Return the columns of tracks.csv in order.

    Parameters
    ----------
    unit
        Of lengths.
    timed
        Whether the time between frames is known; rates are else per frame.
    """
    rate, per = rate_unit(unit, timed=timed), f"{unit}/{'s' if timed else 'frame'}"
    return (
        Column(name="image", unit="", meaning="file name of the movie"),
        Column(name="track_id", unit="", meaning="number of the particle through time, as in particles.csv"),
        Column(name="first_frame", unit="", meaning="first frame in which it was seen, from 0"),
        Column(name="last_frame", unit="", meaning="last frame in which it was seen"),
        Column(
            name="first_time_s", unit="s", meaning="start of the first frame; empty where times are unknown"
        ),
        Column(
            name="last_time_s", unit="s", meaning="start of the last frame; empty where times are unknown"
        ),
        Column(name="frames_seen", unit="", meaning="frames in which it was found"),
        Column(
            name="frames_joined",
            unit="",
            meaning="frames between in which it was taken for one with a neighbour that it parted from again",
        ),
        Column(name=f"begin_diameter_{unit}", unit=unit, meaning=f"equivalent diameter at the begin: {_OWN}"),
        Column(name=f"end_diameter_{unit}", unit=unit, meaning=f"equivalent diameter at the end: {_OWN}"),
        Column(name=f"growth_rate_{rate}", unit=per, meaning=f"change of the equivalent diameter. {_MODEL}"),
        Column(
            name=f"growth_rate_low_{rate}",
            unit=per,
            meaning="lower end of its 90 % interval: Sen's, from ranks, wider where errors last over frames",
        ),
        Column(name=f"growth_rate_high_{rate}", unit=per, meaning="upper end of that interval"),
        Column(
            name="began",
            unit="",
            meaning="start of movie; border: it came in; split: it came out of another; appeared",
        ),
        Column(
            name="ended",
            unit="",
            meaning="end of movie; border: it went out; merged: into another; vanished. What is missing "
            "only in the last frames, as many as a gap may have, counts as being there at the end",
        ),
    )


def event_columns(unit: LengthUnit) -> tuple[Column, ...]:
    """Return the columns of particle_events.csv in order, with lengths in ``unit``."""
    area = f"{unit}²"
    return (
        Column(name="image", unit="", meaning="file name of the movie"),
        Column(
            name="kind",
            unit="",
            meaning="coalescence: two became one and stayed it; splitting: one became two and stayed two",
        ),
        Column(name="frame", unit="", meaning="first frame after the event, from 0"),
        Column(name="time_s", unit="s", meaning="start of that frame; empty where times are unknown"),
        Column(
            name="contact_frame",
            unit="",
            meaning="coalescence: first frame in which the two were taken for one, even if they parted "
            "again; splitting: first frame after which they were never taken for one again",
        ),
        Column(name="track_before_1", unit="", meaning="the larger particle before, or the only one"),
        Column(name="track_before_2", unit="", meaning="the smaller one before; empty for a splitting"),
        Column(name="track_after_1", unit="", meaning="the larger particle after, or the only one"),
        Column(name="track_after_2", unit="", meaning="the smaller one after; empty for a coalescence"),
        Column(name=f"area_before_1_{unit}2", unit=area, meaning=f"of track_before_1, {_OWN}"),
        Column(name=f"area_before_2_{unit}2", unit=area, meaning=f"of track_before_2, {_OWN}"),
        Column(name=f"area_after_1_{unit}2", unit=area, meaning=f"of track_after_1, {_OWN}"),
        Column(name=f"area_after_2_{unit}2", unit=area, meaning=f"of track_after_2, {_OWN}"),
        Column(name="area_ratio", unit="", meaning="sum of the areas after / sum of those before"),
        Column(
            name="area_conserved",
            unit="",
            meaning="whether the area of the one lies between that of one sphere of the volume of both and "
            "the sum of both, but for three times the scatter of areas from frame to frame",
        ),
        Column(
            name=f"gap_{unit}",
            unit=unit,
            meaning="distance of the outlines of the two in the frame next to the event, as discs of their "
            "areas; negative where these overlap",
        ),
        Column(
            name=f"y_{unit}", unit=unit, meaning="where it happened: down from the centre of the first pixel"
        ),
        Column(name=f"x_{unit}", unit=unit, meaning="to the right from the centre of the first pixel"),
        Column(
            name="confidence",
            unit="0 to 1",
            meaning="probability that the two became one (or one two) rather than that one of them was not "
            "seen any more, from areas and the distance of outlines against chance in this movie; less "
            "where the movie ends too soon to tell whether they part again",
        ),
    )
