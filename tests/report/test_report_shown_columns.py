"""What the viewer shows of a frame: what it gave, what the movie makes of it, each at its place."""

from __future__ import annotations

import numpy as np
import pytest

from nanonet.records import Micrograph
from nanonet.report.history import UNKNOWN, history_of
from nanonet.report.shown_columns import DOUBTED, EMPTY, FOLLOWED, SEEN, shown_columns


@pytest.fixture(scope="module")
def case(make_movie):
    """Frame 4: site 10 is empty, of 20 the frame shows nothing, at 30 it sees what the model does not."""
    movie = make_movie(frames=9, rate=0.0)
    columns, sites = movie.columns(), movie.sites()
    read, followed = columns.data, sites.data
    frame = read["frame"] == 4
    read = read[~(frame & read["track_id"].isin([10, 20]))]
    followed.loc[(followed["frame"] == 4) & followed["track_id"].isin([10, 30]), "depth"] = 0
    return movie, columns.with_data(read), sites.with_data(followed)


def _by_track(shown, name):
    return dict(zip(shown.track.tolist(), getattr(shown, name).tolist(), strict=True))


def test_each_column_has_its_state(case):
    movie, columns, sites = case
    micrograph = movie.series()[4]
    shown = shown_columns(micrograph, columns, history_of(columns, sites))
    states = _by_track(shown, "state")
    assert states.pop(10) == EMPTY
    assert states.pop(20) == FOLLOWED
    assert states.pop(30) == DOUBTED
    assert set(states.values()) == {SEEN}
    assert len(shown.track) == len(set(shown.track.tolist())) == 16


def test_depth_is_the_movies_and_the_reading_is_the_frames(case):
    movie, columns, sites = case
    shown = shown_columns(movie.series()[5], columns, history_of(columns, sites))
    np.testing.assert_array_equal(list(_by_track(shown, "depth").values()), movie.depth[5])
    np.testing.assert_array_equal(list(_by_track(shown, "read").values()), movie.read[5])
    assert (movie.read[5] != movie.depth[5]).any()
    np.testing.assert_allclose(shown.confidence, 0.9)


def test_positions_follow_the_drift_also_where_nothing_was_found(case):
    movie, columns, sites = case
    micrograph = movie.series()[4]
    shown = shown_columns(micrograph, columns, history_of(columns, sites))
    row = shown.track.tolist().index(20)
    np.testing.assert_allclose(shown.positions[row] * micrograph.pixel_size, movie.positions[4, 1], atol=0.05)
    np.testing.assert_allclose(
        shown.positions[shown.track.tolist().index(40)] * 0.5, movie.positions[4, 3], atol=1e-6
    )


def test_without_a_model_all_that_was_found_is_shown(case):
    movie, columns, _ = case
    shown = shown_columns(movie.series()[4], columns, history_of(columns))
    assert (shown.state == SEEN).all()
    assert len(shown.track) == 14
    assert (shown.confidence == 0.7).all()


def test_a_track_that_is_no_site_is_doubted(case):
    movie, columns, sites = case
    less = sites.with_data(sites.data[sites.data["track_id"] != 60])
    shown = shown_columns(movie.series()[4], columns, history_of(columns, less))
    assert _by_track(shown, "state")[60] == DOUBTED


def test_lengths_in_angstrom_need_a_pixel_size(case):
    _, columns, sites = case
    bare = Micrograph(image=np.eye(8, dtype=np.float32), name="m", frame=4)
    with pytest.raises(ValueError, match="pixel size"):
        shown_columns(bare, columns, history_of(columns, sites))


def test_they_move_with_the_window_and_the_scale(case):
    movie, columns, _ = case
    shown = shown_columns(movie.series()[4], columns)
    placed = shown.placed((10, 20), 2.0)
    np.testing.assert_allclose(2 * (placed.positions + 0.5) - 0.5 + [10, 20], shown.positions)
    np.testing.assert_array_equal(placed.track, shown.track)
    assert UNKNOWN not in placed.depth
