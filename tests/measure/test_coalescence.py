"""Particles that become one, or two, against mistakes of the segmentation that look alike."""

import numpy as np
import pandas as pd
import pytest
from particle_rows import Row, bystanders, table

from nanonet.measure.film import Film
from nanonet.measure.follow import follow
from nanonet.measure.link import link

FRAMES = 24
ONE, OTHER = 120.0, 60.0
"""Areas of two spheres that touch, and of the one with their volume."""
BOTH = float((ONE**1.5 + OTHER**1.5) ** (2 / 3))
APART = float(np.sqrt(ONE / np.pi) + np.sqrt(OTHER / np.pi)) + 0.3


def pair(t: int, *, larger: float = ONE, smaller: float = OTHER) -> list[Row]:
    return [(t, 40.0, 40.0, larger), (t, 40.0, 40.0 + APART, smaller)]


def together(t: int, area: float = BOTH) -> list[Row]:
    share = OTHER / (ONE + OTHER)
    return [(t, 40.0, 40.0 + share * APART, area)]


def followed(rows: list[Row], frames: int = FRAMES) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    linked = link(table([*rows, *bystanders(frames)]))
    tracks, events = follow(linked, Film(frames=frames))
    return linked.data, tracks.data.set_index("track_id"), events.data


def at(data: pd.DataFrame, frame: int, x: float) -> int:
    row = data[(data["frame"] == frame) & (data["y_nm"] == 40.0) & (data["x_nm"] == x)]
    return int(row["track_id"].iloc[0])


@pytest.mark.parametrize("when", [4, 12, 20])
def test_two_that_fuse_are_one_event_of_those_two_in_that_frame(when: int) -> None:
    data, tracks, events = followed(
        [row for t in range(FRAMES) for row in (pair(t) if t < when else together(t))]
    )
    assert len(events) == 1
    event = events.iloc[0]
    larger, smaller = at(data, 0, 40.0), at(data, 0, 40.0 + APART)
    assert (event["kind"], event["frame"], event["contact_frame"]) == ("coalescence", when, when)
    assert (event["track_before_1"], event["track_before_2"]) == (larger, smaller)
    assert event["track_after_1"] == larger
    assert pd.isna(event["track_after_2"])
    volume = event["area_before_1_nm2"] ** 1.5 + event["area_before_2_nm2"] ** 1.5
    assert event["area_after_1_nm2"] ** 1.5 == pytest.approx(volume)
    assert event["area_ratio"] == pytest.approx(BOTH / (ONE + OTHER))
    assert event["area_conserved"]
    assert event["gap_nm"] == pytest.approx(0.3)
    assert event["confidence"] > 0.9
    assert tracks.loc[smaller, "ended"] == "merged"
    assert tracks.loc[larger, "ended"] == "end of movie"


def test_backwards_it_is_a_splitting() -> None:
    data, tracks, events = followed(
        [row for t in range(FRAMES) for row in (together(t) if t < 12 else pair(t))]
    )
    assert events["kind"].tolist() == ["splitting"]
    event = events.iloc[0]
    assert event["frame"] == 12
    assert event["track_before_1"] == event["track_after_1"] == at(data, 12, 40.0)
    assert event["track_after_2"] == at(data, 12, 40.0 + APART)
    assert event["area_ratio"] == pytest.approx((ONE + OTHER) / BOTH)
    assert tracks.loc[int(event["track_after_2"]), "began"] == "split"


@pytest.mark.parametrize("lasts", [1, 2])
def test_two_taken_for_one_at_times_are_no_event(lasts: int) -> None:
    rows = []
    for t in range(FRAMES):
        rows += together(t, ONE + OTHER) if 8 <= t < 8 + lasts else pair(t)
    data, tracks, events = followed(rows)
    assert events.empty
    smaller = at(data, 0, 40.0 + APART)
    assert smaller == at(data, FRAMES - 1, 40.0 + APART)
    assert tracks.loc[smaller, "frames_joined"] == lasts
    assert len(tracks) == 14


@pytest.mark.parametrize("lasts", [1, 2])
def test_one_cut_in_two_at_times_is_no_event(lasts: int) -> None:
    rows = []
    for t in range(FRAMES):
        rows += pair(t) if 8 <= t < 8 + lasts else together(t, ONE + OTHER)
    assert followed(rows)[2].empty


def test_a_contact_before_the_event_is_told() -> None:
    rows = []
    for t in range(FRAMES):
        rows += together(t, ONE + OTHER) if t == 8 or t >= 12 else pair(t)
    events = followed(rows)[2]
    assert (events["frame"].tolist(), events["contact_frame"].tolist()) == ([12], [8])


def test_one_that_is_lost_beside_a_neighbour_that_stays_as_it_is_has_vanished() -> None:
    rows = [row for t in range(FRAMES) for row in (pair(t) if t < 12 else pair(t)[:1])]
    data, tracks, events = followed(rows)
    assert events.empty
    assert tracks.loc[at(data, 0, 40.0 + APART), "ended"] == "vanished"


def test_a_speck_of_a_frame_or_two_beside_a_particle_that_grows_is_no_event() -> None:
    rows = []
    for t in range(FRAMES):
        rows += pair(t) if t in (10, 11) else [(t, 40.0, 40.0, ONE if t < 10 else BOTH)]
    assert followed(rows)[2].empty


def test_an_event_is_less_certain_where_the_movie_ends_too_soon() -> None:
    def confidence(when: int) -> float:
        rows = []
        for t in range(FRAMES):
            rows += together(t) if t >= when else pair(t)
        events = followed(rows)[2]
        return float(events["confidence"].max()) if len(events) else 0.0

    assert confidence(FRAMES - 1) < confidence(12)
