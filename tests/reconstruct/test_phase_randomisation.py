"""Phases drawn by chance: maps keep their power and lose what they share; what a mask feigns is taken off."""

import numpy as np
import pytest
from reconstruction_bodies import cube, volume
from scipy.ndimage import gaussian_filter

from nanonet.reconstruct.mask import ball_mask
from nanonet.reconstruct.phase_randomisation import masked_agreement, randomised
from nanonet.reconstruct.shell_correlation import shell_correlation

SIDE = 32


@pytest.fixture(scope="module")
def body() -> np.ndarray:
    return volume(cube(60, 0.2), SIDE, 4.0)


def test_power_stays_and_phases_go_from_a_shell_on(body: np.ndarray) -> None:
    changed = randomised(body, 5, np.random.default_rng(0))
    before, after = (np.abs(np.fft.rfftn(one)) for one in (body, changed))
    np.testing.assert_allclose(after, before, atol=1e-2)
    curve = shell_correlation(body, changed, 4.0).correlation
    assert curve[:4].min() > 0.9999
    assert np.abs(curve[6:14]).max() < 0.3


def test_what_a_mask_feigns_is_taken_off(body: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    soft = gaussian_filter(body, 1.5)
    one, other = (soft + 0.3 * rng.standard_normal(body.shape) for _ in range(2))
    # A tight mask spreads each shell over its neighbours.
    found = masked_agreement(one, other, ball_mask(SIDE, 5.0, edge=2.0), 4.0, rng)
    signal = np.flatnonzero(found.fsc.correlation > 0.8)
    assert len(signal) >= 3
    beyond = slice(10, 15)
    assert found.fsc.correlation[beyond].mean() < found.masked.correlation[beyond].mean() + 0.02
    assert abs(found.fsc.correlation[beyond].mean()) < 0.2


def test_equal_maps_agree_and_nothing_is_taken_off(body: np.ndarray) -> None:
    found = masked_agreement(body, body, ball_mask(SIDE, 12.0), 4.0, np.random.default_rng(0))
    assert found.fsc.correlation.min() > 0.999
