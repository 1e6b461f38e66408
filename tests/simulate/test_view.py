import numpy as np
import pytest

from nanonet.records import InputError
from simulate.view import View, quarter_turn, random_view

TURNS = [(quarters, mirrored) for quarters in range(4) for mirrored in (False, True)]


def sheared() -> View:
    axes = quarter_turn(1, mirrored=True) + np.array([[0.01, -0.03], [0.02, 0.005]])
    return View(origin=(3.2, -1.7), pixel_size=0.21, shape=(40, 64), axes=axes)


def test_a_pixel_lies_where_the_record_says():
    view = sheared()
    pixel = np.array([[7.0, 11.0]])
    wanted = np.array(view.origin) + view.pixel_size * view.axes @ pixel[0]
    np.testing.assert_allclose(view.to_box(view.pixel_size * pixel)[0], wanted)
    np.testing.assert_allclose(view.to_image(wanted[None])[0], view.pixel_size * pixel[0])


def test_there_and_back_is_where_one_was():
    points = np.random.default_rng(0).uniform(-20, 20, (50, 2))
    view = sheared()
    np.testing.assert_allclose(view.to_box(view.to_image(points)), points, atol=1e-12)


def test_an_image_ends_half_a_pixel_beyond_its_outer_pixels():
    view = View(origin=(0.0, 0.0), pixel_size=0.5, shape=(10, 20))
    inside = [[-0.25, -0.25], [4.74, 9.74], [0.0, 9.7]]
    outside = [[-0.26, 0.0], [4.75, 0.0], [0.0, 9.75], [0.0, -0.3]]
    assert view.contains(np.array(inside)).all()
    assert not view.contains(np.array(outside)).any()


@pytest.mark.parametrize(("quarters", "mirrored"), TURNS)
def test_a_turned_view_of_a_picture_is_the_turned_picture(quarters, mirrored):
    picture = np.random.default_rng(1).normal(size=(6, 6))
    axes = quarter_turn(quarters, mirrored=mirrored)
    first = 2.5 - axes @ np.array([2.5, 2.5])
    view = View(origin=(first[0], first[1]), pixel_size=1.0, shape=(6, 6), axes=axes)
    pixels = np.argwhere(np.ones((6, 6)))
    rows, columns = np.rint(view.to_box(pixels.astype(float))).astype(int).T
    wanted = np.rot90(picture[:, ::-1] if mirrored else picture, -quarters)
    np.testing.assert_array_equal(picture[rows, columns].reshape(6, 6), wanted)


def test_quarter_turns_and_mirrors_are_the_eight_symmetries_of_a_square():
    found = [quarter_turn(q, mirrored=m) for q, m in TURNS]
    assert len({tuple(axes.ravel().round().astype(int)) for axes in found}) == 8
    for axes, (_, mirrored) in zip(found, TURNS, strict=True):
        np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-12)
        assert np.linalg.det(axes) == pytest.approx(-1 if mirrored else 1)


@pytest.mark.parametrize("shape", [(40, 40), (20, 60)])
def test_a_random_view_lies_in_the_box_turned_and_mirrored_every_way(shape):
    ways, middles = set(), []
    for seed in range(100):
        view = random_view(40.0, 0.5, shape, np.random.default_rng(seed))
        ways.add(tuple(view.axes.ravel().round().astype(int)))
        far = 0.5 * (np.array(shape) - 0.5)
        corners = view.to_box(np.array([[-0.25, -0.25], far, [-0.25, far[1]], [far[0], -0.25]]))
        assert corners.min() > -1e-9
        assert corners.max() < 40 + 1e-9
        middles.append(corners.mean(axis=0))
    assert len(ways) == 8
    assert np.ptp(middles, axis=0).min() > 8


def test_a_view_larger_than_the_box_has_it_near_its_middle():
    for seed in range(20):
        view = random_view(20.0, 0.25, (200, 200), np.random.default_rng(seed))
        middle = view.to_image(np.array([[10.0, 10.0]]))[0]
        np.testing.assert_allclose(middle, 0.25 * 199 / 2, atol=2.0)


def test_a_view_keeps_to_its_window_or_says_that_it_cannot():
    window = ((5.0, 25.0), (10.0, 30.0))
    for seed in range(50):
        view = random_view(60.0, 0.5, (36, 36), np.random.default_rng(seed), window)
        corners = view.to_box(0.5 * np.array([[-0.5, -0.5], [35.5, 35.5], [-0.5, 35.5], [35.5, -0.5]]))
        assert (corners.min(axis=0) > [5 - 1e-9, 10 - 1e-9]).all()
        assert (corners.max(axis=0) < [25 + 1e-9, 30 + 1e-9]).all()
    with pytest.raises(InputError, match="20 x 20 Å that are simulated"):
        random_view(60.0, 0.5, (41, 41), np.random.default_rng(0), window)


def test_a_view_shows_nothing_beyond_its_window():
    """A slab is whole in a window of its box only."""
    window = ((10.0, 30.0), (5.0, 36.0))
    middles = []
    for seed in range(60):
        view = random_view(40.0, 0.5, (30, 38), np.random.default_rng(seed), window)
        far = 0.5 * (np.array([30, 38]) - 0.5)
        corners = view.to_box(np.array([[-0.25, -0.25], far, [-0.25, far[1]], [far[0], -0.25]]))
        assert (corners >= np.array([10.0, 5.0]) - 1e-9).all()
        assert (corners <= np.array([30.0, 36.0]) + 1e-9).all()
        middles.append(corners.mean(axis=0))
    assert np.ptp(middles, axis=0).min() > 0.5
    with pytest.raises(InputError, match="make them smaller"):
        random_view(40.0, 0.5, (80, 80), np.random.default_rng(0), window)
