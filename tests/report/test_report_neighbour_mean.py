"""The mean over neighbouring frames: less noise, nothing smeared by drift, and only a part of the frame."""

from __future__ import annotations

import numpy as np
import pytest

from nanonet.records import Micrograph
from nanonet.report.history import history_of
from nanonet.report.neighbour_mean import neighbour_mean
from nanonet.report.preview import make_preview
from nanonet.report.window import WHOLE, window_of


@pytest.mark.parametrize("unit", ["angstrom", "px"])
def test_noise_falls_and_columns_stay_sharp(make_movie, unit):
    movie = make_movie(frames=25, rate=0.0, unit=unit)
    series, history = movie.series(), history_of(movie.columns(), movie.sites())
    middle = series[12]
    mean = neighbour_mean(middle, history)
    corner = np.s_[:8, :8]
    assert mean[corner].std() == pytest.approx(middle.image[corner].std() / np.sqrt(7), rel=0.35)
    scale = 1.0 if unit == "px" else middle.pixel_size
    for at, depth in zip(movie.positions[12] / scale, movie.depth[12], strict=True):
        y, x = np.rint(at).astype(int)
        near = mean[y - 1 : y + 2, x - 1 : x + 2].min()
        assert near == pytest.approx(100 - 5 * depth, abs=4 + 0.1 * 5 * depth)


def test_drift_would_smear_without_the_shift(make_movie):
    movie = make_movie(frames=25, rate=0.0)
    fast = type(movie)(places=movie.places, drift=6 * movie.drift, depth=movie.depth)
    history = history_of(fast.columns(), fast.sites())
    series = fast.series()
    mean = neighbour_mean(series[12], history)
    plain = np.mean([series[i].image for i in range(9, 16)], axis=0)
    assert mean.min() < plain.min() - 5


def test_at_the_ends_fewer_frames_are_averaged_and_none_twice(make_movie):
    movie = make_movie(frames=10, rate=0.0)
    still = type(movie)(places=movie.places, drift=0 * movie.drift, depth=movie.depth)
    series, history = still.series(), history_of(still.columns(), still.sites())
    expected = np.mean([series[i].image for i in range(4)], axis=0)
    np.testing.assert_allclose(neighbour_mean(series[0], history), expected, rtol=1e-5)


def test_pixels_that_are_not_finite_are_left_out(make_movie):
    movie = make_movie(frames=10, rate=0.0)
    still = type(movie)(places=movie.places, drift=0 * movie.drift, depth=movie.depth)
    series, history = still.series(), history_of(still.columns(), still.sites())
    series[2].image[3, 4] = np.nan
    mean = neighbour_mean(series[0], history)
    assert mean[3, 4] == pytest.approx(np.mean([series[i].image[3, 4] for i in (0, 1, 3)]), rel=1e-5)


def test_a_frame_that_stands_alone_has_no_neighbours(make_movie):
    movie = make_movie()
    alone = Micrograph(image=np.eye(8, dtype=np.float32), name="m")
    assert neighbour_mean(alone, history_of(movie.columns(), movie.sites())) is None


def test_the_window_holds_every_column_of_every_frame(make_movie):
    movie = make_movie(side=3)
    history = history_of(movie.columns(), movie.sites())
    large = Micrograph(image=np.zeros((400, 300), dtype=np.float32), name="m", pixel_size=0.5)
    window = window_of(history, large)
    (y, x), (height, width) = window.corner, window.size
    pixels = movie.positions.reshape(-1, 2) / 0.5
    assert (pixels > [y, x]).all()
    assert (pixels < [y + height, x + width]).all()
    assert height * width < 0.3 * 400 * 300
    assert window.cut(large.image).shape == (height, width)


def test_a_frame_full_of_columns_is_shown_whole(make_movie):
    movie = make_movie()
    history = history_of(movie.columns(), movie.sites())
    assert window_of(history, movie.series()[0]) == WHOLE


def test_columns_stay_on_their_atoms_in_the_part_that_is_shown(make_movie):
    movie = make_movie(side=2, rate=0.0)
    history = history_of(movie.columns(), movie.sites())
    micrograph = movie.series()[7]
    preview = make_preview(micrograph, table=movie.columns(), history=history)
    assert preview.image.shape < micrograph.image.shape
    assert preview.mean.shape == preview.image.shape
    for at, depth in zip(preview.columns.positions, preview.columns.depth, strict=True):
        y, x = np.rint(at).astype(int)
        if depth > 3:
            assert preview.mean[y - 1 : y + 2, x - 1 : x + 2].min() < 90
