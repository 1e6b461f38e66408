"""Tracks of simulated movies with truth: drift, gaps, merges, empty tables, long movies."""

import time

import numpy as np
import pandas as pd
import pytest
from particle_rows import bystanders, table

from nanonet.measure.drift import common_shift, drift
from nanonet.measure.link import link, unlinked
from nanonet.records import InputError, ParticleTable


def movie(
    frames: int, *, step: float = 0.0, missing: float = 0.0, seed: int = 0
) -> tuple[ParticleTable, np.ndarray]:
    """Return 20 particles of 10 nm, 40 nm apart, that jitter and drift, and which each one truly is."""
    generator = np.random.default_rng(seed)
    home = 40.0 * np.stack(np.unravel_index(np.arange(20), (4, 5)), axis=1) + generator.uniform(
        -8, 8, (20, 2)
    )
    shift = np.cumsum(generator.normal(0, step, (frames, 2)), axis=0)
    rows, true = [], []
    for t in range(frames):
        for i in generator.permutation(20):
            if generator.random() >= missing:
                rows.append((t, *(home[i] + shift[t] + generator.normal(0, 1, 2)), 78.5))
                true.append(i)
    return table(rows), np.array(true)


def test_every_particle_keeps_one_track() -> None:
    particles, true = movie(30)
    tracks = link(particles).data["track_id"]
    pairs = set(zip(true.tolist(), tracks.tolist(), strict=True))
    assert len(pairs) == 20
    assert sorted(tracks.unique()) == list(range(1, 21))
    assert tracks.dtype == "Int64"


def test_drift_of_more_than_a_diameter_a_frame_is_taken_off() -> None:
    particles, true = movie(40, step=9.0)
    assert len(set(zip(true, link(particles).data["track_id"], strict=True))) == 20


def test_gaps_are_closed() -> None:
    particles, true = movie(60, step=2.0, missing=0.1)
    tracks = link(particles, max_gap=3).data["track_id"]
    assert tracks.nunique() <= 22
    pure = pd.crosstab(true, tracks).max(axis=0).sum() / len(true)
    assert pure == 1.0


def test_without_gaps_a_missing_frame_begins_a_new_track() -> None:
    rows = [(t, 10.0, 10.0, 78.5) for t in (0, 1, 3, 4)]
    assert link(table(rows), max_gap=0).data["track_id"].tolist() == [1, 1, 2, 2]
    assert link(table(rows), max_gap=1).data["track_id"].tolist() == [1, 1, 1, 1]


def test_two_that_touch_and_part_keep_their_tracks() -> None:
    rows = bystanders(12)
    for t in range(12):
        if 4 <= t < 8:
            rows.append((t, 20.0, 22.5, 250.0))
        else:
            rows += [(t, 20.0, 20.0, 200.0), (t, 20.0, 31.0, 50.0)]
    for rejoin in (True, False):
        data = link(table(rows), max_gap=0, rejoin=rejoin).data
        large = data[(data["y_nm"] == 20.0) & (data["area_nm2"] >= 200)]
        small = data[data["area_nm2"] == 50.0]
        assert large["track_id"].nunique() == 1
        assert small["track_id"].nunique() == (1 if rejoin else 2)
        assert not set(small["track_id"]) & set(large["track_id"])


def test_the_order_of_rows_changes_only_the_numbers() -> None:
    particles, _ = movie(20, step=2.0, missing=0.1)
    order = np.random.default_rng(1).permutation(len(particles))
    shuffled = particles.with_data(particles.data.iloc[order].reset_index(drop=True))
    pairs = set(
        zip(link(particles).data["track_id"].iloc[order], link(shuffled).data["track_id"], strict=True)
    )
    assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


def test_a_drift_of_all_and_the_unit_of_length_change_nothing() -> None:
    particles, _ = movie(20, missing=0.1)
    tracks = link(particles).data["track_id"].tolist()
    moved, data = particles.data.copy(), particles.data
    shift = np.cumsum(np.random.default_rng(2).normal(0, 6, (20, 2)), axis=0)[data["frame"]]
    moved["y_nm"], moved["x_nm"] = data["y_nm"] + shift[:, 0], data["x_nm"] + shift[:, 1]
    assert link(particles.with_data(moved)).data["track_id"].tolist() == tracks
    rows = list(zip(data["frame"], 7 * data["y_nm"], 7 * data["x_nm"], 49 * data["area_nm2"], strict=True))
    assert link(table(rows, unit="px")).data["track_id"].tolist() == tracks


def test_one_particle_and_a_movie_of_one_frame() -> None:
    assert link(table([(t, 10.0, 10.0, 78.5) for t in range(9)])).data["track_id"].tolist() == [1] * 9
    assert link(table(bystanders(1))).data["track_id"].tolist() == list(range(1, 13))


def test_a_neighbour_that_drops_out_takes_no_track_over() -> None:
    rows = []
    for t in range(10):
        rows.append((t, 20.0, 20.0, 50.0))
        if t != 5:
            rows.append((t, 20.0, 30.0, 200.0))
    data = link(table(rows), max_distance=12.0).data
    assert data.groupby("area_nm2")["track_id"].nunique().tolist() == [1, 1]


def test_a_jump_beyond_the_largest_distance_is_another_particle() -> None:
    rows = [(t, 10.0 + (30.0 if t > 2 else 0.0), 10.0, 78.5) for t in range(6)]
    assert link(table(rows)).data["track_id"].tolist() == [1, 1, 1, 2, 2, 2]
    assert link(table(rows), max_distance=40.0).data["track_id"].nunique() == 1


def test_the_order_of_rows_and_frames_without_particles_do_not_matter() -> None:
    rows = [(t, 10.0, 10.0, 78.5) for t in (7, 2, 3, 6)] + [(t, 50.0, 60.0, 78.5) for t in (3, 2, 6, 7)]
    assert link(table(rows), max_gap=1).data["track_id"].tolist() == [3, 1, 1, 3, 2, 2, 4, 4]
    assert link(table(rows), max_gap=2).data["track_id"].tolist() == [1, 1, 1, 1, 2, 2, 2, 2]


def test_images_are_linked_each_by_itself() -> None:
    one, other = (table([(t, 10.0, 10.0, 78.5) for t in range(3)], image=name) for name in ("a", "b"))
    both = one.with_data(pd.concat([one.data, other.data], ignore_index=True))
    assert link(both).data["track_id"].tolist() == [1, 1, 1, 2, 2, 2]


def test_pixels_and_empty_tables() -> None:
    assert link(table([(t, 10.0, 10.0, 78.5) for t in range(3)], unit="px")).data["track_id"].nunique() == 1
    empty = table([])
    assert len(link(empty)) == 0
    assert unlinked(empty) is empty


def test_bad_settings_are_named() -> None:
    with pytest.raises(InputError, match="max_distance must be positive, got 0 nm"):
        link(table([]), max_distance=0)
    with pytest.raises(InputError, match="max_gap must be 0 frames or more, got -1"):
        link(table([]), max_gap=-1)


def test_drift_is_the_shift_that_most_particles_share() -> None:
    generator = np.random.default_rng(5)
    before = generator.uniform(0, 300, (30, 2))
    after = before + np.array([14.0, -9.0]) + generator.normal(0, 0.5, (30, 2))
    after[:8] = generator.uniform(0, 300, (8, 2))
    assert common_shift(before, after[3:], max_step=8.0) == pytest.approx([14, -9], abs=0.5)


def test_two_particles_are_no_drift() -> None:
    assert common_shift(np.zeros((2, 2)), np.ones((2, 2)), max_step=5.0).tolist() == [0, 0]
    still = drift([np.zeros((0, 2)), np.ones((2, 2)), np.zeros((0, 2))], max_step=5.0)
    assert still.tolist() == [[0, 0]] * 3


@pytest.mark.slow
def test_long_movies_are_linked_in_seconds() -> None:
    particles, true = movie(2000, step=2.0, missing=0.03)
    started = time.process_time()
    tracks = link(particles).data["track_id"]
    assert time.process_time() - started < 30
    assert pd.crosstab(true, tracks).max(axis=0).sum() / len(true) > 0.999
