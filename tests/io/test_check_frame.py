"""A frame with something wrong in it is told from a good one, at high and at low dose."""

import numpy as np
import pytest

from nanonet.io.check import check_frame
from nanonet.records import InputError

RNG = np.random.default_rng([2, 2])


@pytest.mark.parametrize("dose", [0.02, 0.3, 1.0, 5.0, 300.0])
def test_counting_noise_is_not_saturation(dose):
    assert check_frame(RNG.poisson(dose, (256, 256)).astype(np.float32), "a.dm4", 0) is None


@pytest.mark.parametrize("value", [0, 255, 7.5])
def test_a_constant_frame(value):
    frame = np.full((8, 8), value, np.float32)
    assert check_frame(frame, "a.dm4", 3) == f"frame 3 of a.dm4 is constant (all pixels are {value:g})"


@pytest.mark.parametrize("limit", [255, 110])
def test_clipped_frames_are_saturated(limit):
    counts = RNG.poisson(100 if limit == 110 else 240, (128, 128))
    warning = check_frame(np.minimum(counts, limit).astype(np.float32), "a.dm4", 1)
    assert warning is not None
    assert warning.startswith("frame 1 of a.dm4 is saturated: ")
    assert warning.endswith(f"of its pixels are {limit}")


def test_a_few_bright_pixels_are_no_saturation():
    frame = RNG.normal(100, 5, (128, 128)).astype(np.float32)
    frame[:2, :50] = 255
    assert check_frame(frame, "a.dm4", 0) is None


def test_nan_and_infinite_pixels_are_refused_and_counted():
    frame = np.ones((8, 8), np.float32)
    frame[0, :3] = np.nan
    frame[1, 1] = np.inf
    with pytest.raises(InputError, match=r"^frame 5 of a\.dm4 has 4 pixels that are NaN or infinite$"):
        check_frame(frame, "a.dm4", 5)
