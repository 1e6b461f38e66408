"""Events: in order of certainty, of the right kind, and moves between neighbours told from chance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nanonet.report.event_list import (
    event_data,
    events_at_sites,
    frames_to_show,
    kinds_of,
    listed_events,
)
from nanonet.report.exchange import exchanges
from nanonet.report.history import history_of

GRID = 3.3 * np.stack(np.indices((8, 8)), -1).reshape(-1, 2).astype(float)
FRAMES = np.arange(400)


def test_the_kind_follows_from_the_depths():
    events = pd.DataFrame({"depth_before": [0, 3, 3, 1, 0], "depth_after": [1, 4, 2, 0, 5]})
    assert kinds_of(events).tolist() == ["birth", "gain", "loss", "death", "birth"]


def test_the_most_certain_events_are_listed_first(make_movie):
    movie = make_movie(frames=60)
    history = history_of(movie.columns(), movie.sites())
    events = movie.events()
    listed = listed_events(events, history, 0.5, most=5)
    best = events.data.sort_values("probability", ascending=False).iloc[:5]
    assert [event.frame for event in listed] == best["frame"].tolist()
    assert [event.track for event in listed] == best["track_id"].tolist()
    first = best.iloc[0]
    assert listed[0].time == f"{first['frame'] * 0.5:.4g} s"
    assert f"{first['depth_before']} → {first['depth_after']}" in listed[0].what
    assert listed_events(events, history, None)[0].time == ""


def test_events_of_tracks_that_are_no_sites_are_left_out(make_movie):
    movie = make_movie(frames=60)
    history = history_of(movie.columns(), movie.sites())
    events = movie.events()
    stray = events.with_data(events.data.assign(track_id=7777))
    known, site = events_at_sites(events, history)
    assert len(known) == len(events) > 5
    np.testing.assert_array_equal(history.tracks[site], known["track_id"])
    assert events_at_sites(stray, history)[0].empty
    assert listed_events(stray, history, None) == ()
    assert event_data(stray, history)["frame"] == []


def test_a_short_movie_is_shown_whole():
    assert frames_to_show(60) == tuple(range(60))
    assert frames_to_show(1) == (0,)


def test_of_a_long_movie_frames_around_events_are_shown_too(make_movie):
    movie = make_movie(frames=900, rate=0.004)
    events = movie.events()
    chosen = frames_to_show(900, events)
    assert len(chosen) <= 60
    assert chosen[0] == 0
    assert chosen[-1] == 899
    assert list(chosen) == sorted(set(chosen))
    assert max(np.diff(chosen)) <= 900 / 60 * 2
    for row in events.data.iloc[:12].itertuples():
        assert {row.frame, row.frame_low - 1} & set(range(900)) <= set(chosen)
    evenly = frames_to_show(900)
    assert len(evenly) == 60
    assert np.ptp(np.diff(evenly)) <= 1


def _events(frame: np.ndarray, change: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "frame": frame,
            "frame_low": frame - 1,
            "frame_high": frame + 1,
            "depth_before": 4,
            "depth_after": 4 + change,
        }
    )


def test_atoms_that_hop_to_a_neighbour_are_found():
    rng = np.random.default_rng(1)
    source = rng.choice(np.flatnonzero(GRID[:, 0] < 20), 40)
    target = source + 8
    frame = rng.integers(5, 395, 40)
    events = _events(np.concatenate([frame, frame + 1]), np.repeat([-1, 1], 40))
    found = exchanges(events, np.concatenate([source, target]), GRID, FRAMES)
    assert found.total >= 38
    assert found.beyond_chance
    assert found.by_chance[2] < 15
    planted = set(zip(source.tolist(), target.tolist(), strict=True))
    right = [pair in planted for pair in zip(found.source.tolist(), found.target.tolist(), strict=True)]
    assert np.average(right, weights=found.count) > 0.9


def test_chance_is_what_sites_that_know_nothing_of_each_other_show():
    excess, above = [], []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        events = _events(rng.integers(0, 400, 400), rng.choice([-1, 1], 400))
        found = exchanges(events, rng.integers(0, 64, 400), GRID, FRAMES)
        mean, low, high = found.by_chance
        assert 30 < low <= mean <= high
        excess.append(found.total - mean)
        above.append(found.beyond_chance)
    assert abs(np.mean(excess)) < 4
    assert np.mean(above) <= 0.2


def test_far_apart_or_late_is_no_move():
    far = exchanges(_events(np.array([10, 10]), np.array([-1, 1])), np.array([0, 63]), GRID, FRAMES)
    late = exchanges(_events(np.array([10, 20]), np.array([-1, 1])), np.array([0, 1]), GRID, FRAMES)
    same = exchanges(_events(np.array([10, 11]), np.array([-1, 1])), np.array([0, 0]), GRID, FRAMES)
    near = exchanges(_events(np.array([10, 11]), np.array([-1, 1])), np.array([0, 1]), GRID, FRAMES)
    assert [found.total for found in (far, late, same, near)] == [0, 0, 0, 1]
    assert (near.source.tolist(), near.target.tolist()) == ([0], [1])


def test_each_event_is_in_one_pair():
    events = _events(np.array([10, 10, 11, 12]), np.array([-1, 1, 1, 1]))
    found = exchanges(events, np.array([9, 8, 10, 1]), GRID, FRAMES)
    assert found.total == 1
    assert found.target.tolist() == [8], "the nearest in time"


def test_only_losses_make_no_moves():
    events = _events(np.array([10, 11]), np.array([-1, -1]))
    assert exchanges(events, np.array([0, 1]), GRID, FRAMES).total == 0
