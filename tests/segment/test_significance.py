"""Noise is measured under particles, and what noise makes is not significant."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.measure import label

from nanonet.segment.significance import confidence, noise_level


def noise(seed: int, sigma: float = 2.0) -> np.ndarray:
    return gaussian_filter(np.random.default_rng(seed).normal(size=(384, 384)), sigma)


def disc(radius: float) -> np.ndarray:
    y, x = np.mgrid[:384, :384]
    return (y - 190) ** 2 + (x - 200) ** 2 <= radius**2


@pytest.mark.parametrize("sigma", [1.5, 3.0])
def test_noise_level_is_that_of_smoothed_white_noise(sigma: float) -> None:
    expected = 1.0 / (2.0 * sigma * np.sqrt(np.pi))
    assert noise_level(noise(0, sigma), sigma) == pytest.approx(expected, rel=0.08)


def test_particles_hardly_change_the_noise_level() -> None:
    image = noise(1)
    assert noise_level(image + 5.0 * disc(80.0), 2.0) == pytest.approx(noise_level(image, 2.0), rel=0.1)


@pytest.mark.parametrize("height", [0.0, 0.5, 1.5])
def test_what_passes_a_threshold_by_chance_is_not_significant(height: float) -> None:
    """Of 4 frames with hundreds of regions each, the Bonferroni bound lets through next to none."""
    false = 0
    for seed in range(4):
        image = noise(seed)
        labels = label(image > height * image.std(), connectivity=1)
        level = np.full(image.shape, height * image.std())
        false += int((confidence(image, labels, threshold=level, sigma=2.0) > 0.5).sum())
    assert false <= 2


def test_confidence_grows_with_contrast() -> None:
    found = []
    for contrast in (0.0, 2.5, 3.0, 3.5, 5.0):
        image = noise(3) + contrast * noise(3).std() * disc(12.0)
        level = np.full(image.shape, 0.5 * contrast * noise(3).std())
        found.append(confidence(image, disc(12.0).astype(int), threshold=level, sigma=2.0)[0])
    assert np.all(np.diff(found) >= 0)
    assert found[0] < 0.5
    assert found[-1] > 0.99


def test_noiseless_images_and_no_regions() -> None:
    image = disc(9.0).astype(float)
    level = np.full(image.shape, 0.5)
    assert confidence(image, disc(9.0).astype(int), threshold=level, sigma=2.0).tolist() == [1.0]
    assert len(confidence(image, np.zeros(image.shape, int), threshold=level, sigma=2.0)) == 0
