import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from nanonet.atomic_columns.align import aligned, shifts
from nanonet.records import InputError, Micrograph, Series, Stack


def crystal(size: int, period: float = 13.0) -> np.ndarray:
    """A patch of crystal with a ragged edge in vacuum, dark columns on 1."""
    rng = np.random.default_rng(3)
    image = np.zeros((size, size))
    for y in np.arange(0.2 * size, 0.75 * size, period):
        for x in np.arange(0.25 * size, 0.8 * size - 0.3 * y, 0.8 * period):
            image[int(y), int(x)] = rng.uniform(0.5, 1.5)
    return 1 - 20 * gaussian_filter(image, 3.0)


def film(steps: np.ndarray, electrons: float, seed: int = 0) -> np.ndarray:
    scene = crystal(160)
    rng = np.random.default_rng(seed)
    return np.stack([rng.poisson(electrons * shift(scene, -step, cval=1.0)) for step in steps]).astype(
        np.float32
    )


STEPS = np.array([[4, -7], [-3, 2], [0, 5], [0, 0], [8, 1], [-6, -6], [2, 9]])


@pytest.mark.parametrize(("electrons", "pixels"), [(3.0, 2), (30.0, 1)])
def test_drift_is_found_at_a_few_electrons_a_pixel(electrons, pixels):
    found = shifts(film(STEPS, electrons), max_shift=12)
    assert np.abs(found - STEPS).max() <= pixels


def test_a_drift_of_a_period_is_not_taken_for_none():
    """The outline decides: all columns but those at the rim lie on each other either way."""
    steps = STEPS * 0
    steps[5] = (13, 0)
    assert np.abs(shifts(film(steps, 30.0), max_shift=20) - steps).max() <= 1


def test_frames_are_laid_onto_the_middle_one_by_whole_pixels():
    frames = film(STEPS, 30.0)
    moved, found = aligned(frames, max_shift=12)
    np.testing.assert_array_equal(moved[3], frames[3])
    for frame, original, (y, x) in zip(moved, frames, found, strict=True):
        inside = frame[12:-12, 12:-12]
        np.testing.assert_array_equal(inside, original[12 - y : 148 - y, 12 - x : 148 - x])
    noise = (moved - moved.mean(axis=0))[:, 20:-20, 20:-20]
    assert noise.var() < 1.3 * 30 * 6 / 7


def test_what_a_shifted_frame_does_not_show_is_taken_from_the_middle_one():
    frames = film(STEPS, 30.0)
    moved, found = aligned(frames, max_shift=12)
    y, x = found[0]
    assert (y, x) == pytest.approx((4, -7), abs=1)
    np.testing.assert_array_equal(moved[0][:y], frames[3][:y])
    np.testing.assert_array_equal(moved[0][:, x:], frames[3][:, x:])


def test_shifts_stay_within_the_limit_and_equal_frames_stay():
    frames = film(STEPS, 30.0)
    assert np.abs(shifts(frames, max_shift=3)).max() <= 3
    assert not shifts(frames, max_shift=0).any()
    assert not shifts(np.repeat(frames[:1], 3, axis=0), max_shift=12).any()


def test_the_middle_one_stands_for_blank_and_broken_frames():
    frames = film(STEPS * 0, 30.0)
    frames[1] = 0
    frames[2, 40:60] = np.nan
    moved, found = aligned(frames, max_shift=12)
    assert not found.any()
    np.testing.assert_array_equal(moved[1:3], frames[[3, 3]])
    np.testing.assert_array_equal(moved[4:], frames[4:])


def test_an_even_number_of_frames_has_no_middle():
    with pytest.raises(InputError, match="odd"):
        aligned(np.ones((4, 16, 16), np.float32), max_shift=2)
    with pytest.raises(InputError, match="max_shift"):
        aligned(np.ones((3, 16, 16), np.float32), max_shift=-1)


def movie(count: int) -> Series:
    frames = [np.full((4, 4), float(index), np.float32) for index in range(count)]
    return Series(name="m", stacks=(Stack(frames=frames, shape=(count, 4, 4), name="m"),))


def test_a_frame_of_a_movie_knows_those_around_it():
    series = movie(5)
    assert [near.frame for near in series[2].around(2)] == [0, 1, 2, 3, 4]
    assert [near.frame for near in series[0].around(2)] == [2, 1, 0, 1, 2]
    assert [near.frame for near in series[4].around(3)] == [1, 2, 3, 4, 3, 2, 1]
    assert [near.image[0, 0] for near in series[3].around(1)] == [2.0, 3.0, 4.0]
    assert [near.frame for near in movie(2)[0].around(3)] == [1, 0, 1, 0, 1, 0, 1]


def test_an_image_that_stands_alone_is_its_own_neighbour():
    alone = Micrograph(image=np.ones((4, 4), np.float32), name="a")
    assert all(near is alone for near in alone.around(3))
    assert len(movie(1)[0].around(2)) == 5
