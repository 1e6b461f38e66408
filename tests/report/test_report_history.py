"""The history of sites holds what the tables say, each number where it belongs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nanonet.report.history import UNKNOWN, history_of


@pytest.mark.parametrize("unit", ["angstrom", "px"])
def test_every_number_is_at_its_site_and_frame(make_movie, unit):
    movie = make_movie(unit=unit)
    history = history_of(movie.columns(), movie.sites())
    assert history.followed
    assert history.unit == unit
    np.testing.assert_array_equal(history.depth, movie.depth.T)
    np.testing.assert_array_equal(history.high, movie.depth.T + 1)
    np.testing.assert_array_equal(history.read, np.where(movie.read > 0, movie.read, UNKNOWN).T)
    np.testing.assert_array_equal(history.tracks, 10 * np.arange(1, 17))
    assert history.depth_range == (movie.depth[movie.depth > 0].min(), movie.depth.max())


def test_rows_may_come_in_any_order(make_movie):
    movie = make_movie()
    sites, columns = movie.sites(), movie.columns()
    mixed = history_of(
        columns.with_data(columns.data.sample(frac=1, random_state=0)),
        sites.with_data(sites.data.sample(frac=1, random_state=1)),
    )
    np.testing.assert_array_equal(mixed.depth, movie.depth.T)


def test_places_and_drift_are_told_apart(make_movie):
    movie = make_movie()
    history = history_of(movie.columns(), movie.sites())
    np.testing.assert_allclose(history.positions, movie.places, atol=1e-3)
    np.testing.assert_allclose(history.drift, movie.drift, atol=1e-3)
    np.testing.assert_allclose(history.drift.mean(0), 0, atol=1e-9)


def test_a_site_that_is_seen_late_does_not_take_the_drift_for_its_place(make_movie):
    movie = make_movie(frames=60, rate=0.0)
    table = movie.columns()
    late = (table.data["track_id"] == 10) & (table.data["frame"] < 45)
    history = history_of(table.with_data(table.data[~late]))
    np.testing.assert_allclose(history.positions, movie.places, atol=0.02)
    assert (history.depth[0, :45] == UNKNOWN).all()


def test_without_a_model_the_readings_are_the_depths_and_stray_tracks_are_dropped(make_movie):
    movie = make_movie(frames=120, rate=0.0)
    table = movie.columns()
    stray = table.data.iloc[[5]].assign(track_id=7)
    history = history_of(table.with_data(pd.concat([table.data, stray], ignore_index=True)))
    assert not history.followed
    assert 7 not in history.tracks
    np.testing.assert_array_equal(history.depth, movie.read.T)


def test_what_is_no_movie_of_linked_columns_has_no_history(make_movie):
    table = make_movie().columns()
    assert history_of(table.with_data(table.data.iloc[:0])) is None
    assert history_of(table.with_data(table.data[table.data["frame"] == 3])) is None
    unlinked = table.data.assign(track_id=pd.array([None] * len(table), dtype="Int64"))
    assert history_of(table.with_data(unlinked)) is None


def test_a_finder_that_reads_no_depth_still_has_places(make_movie):
    movie = make_movie()
    table = movie.columns()
    unread = table.data.assign(depth=pd.array([None] * len(table), dtype="Int64"))
    history = history_of(table.with_data(unread))
    assert history.depth_range is None
    assert (history.depth == UNKNOWN).all()
    np.testing.assert_allclose(history.positions, movie.places, atol=0.02)


def test_tracks_are_found_and_others_are_not(make_movie):
    movie = make_movie()
    history = history_of(movie.columns(), movie.sites())
    np.testing.assert_array_equal(history.index_of(np.array([10, 160, 11, 0, 999])), [0, 15, -1, -1, -1])
