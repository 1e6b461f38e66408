"""The rolling ball on a shrunken image stays close to the ball on the image itself."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates
from skimage.restoration import ellipsoid_kernel
from skimage.restoration import rolling_ball as direct_ball

from nanonet.segment.background import block_mean, enlarge, rolling_ball


def scene(shape: tuple[int, int] = (160, 200)) -> tuple[np.ndarray, np.ndarray]:
    """Discs of height 1 on a sloping, bent background; returns image and background."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    background = 0.3 * x / shape[1] + 0.1 * np.sin(y / 40.0)
    discs = sum(
        (y - cy) ** 2 + (x - cx) ** 2 < 64.0 for cy in range(20, 160, 40) for cx in range(20, 200, 40)
    )
    return gaussian_filter(background + discs, 1.5).astype(np.float32), background


def test_shrinking_changes_the_background_by_little() -> None:
    image, _ = scene()
    radius = 40.0
    low, high = np.percentile(image, (1, 99))
    kernel = ellipsoid_kernel((81, 81), 0.4 * (high - low))
    difference = rolling_ball(image, radius=radius) - direct_ball(image, kernel=kernel)
    assert np.abs(difference).max() < 0.06 * (high - low)
    assert np.sqrt(np.mean(difference**2)) < 0.02 * (high - low)


def test_it_finds_the_background_under_particles() -> None:
    image, background = scene()
    found = rolling_ball(image, radius=40.0)
    assert np.abs(found - background)[8:-8, 8:-8].mean() < 0.06
    assert (found <= image).all()


@pytest.mark.parametrize("radius", [5.0, 15.0, 40.0, 79.0])
def test_gain_and_offset_of_the_detector_change_nothing(radius: float) -> None:
    image, _ = scene()
    expected = 200.0 * rolling_ball(image, radius=radius) - 30.0
    assert rolling_ball(200.0 * image - 30.0, radius=radius) == pytest.approx(expected, abs=2e-3)


def test_constant_image_is_its_own_background() -> None:
    image = np.full((30, 40), 7.0, dtype=np.float32)
    assert np.array_equal(rolling_ball(image, radius=12.0), image)


@pytest.mark.parametrize("block", [2, 3, 7])
def test_enlarging_is_linear_interpolation_between_block_centres(block: int) -> None:
    small = np.random.default_rng(0).random((9, 12)).astype(np.float32)
    shape = (9 * block - 1, 12 * block)
    y, x = np.mgrid[: shape[0], : shape[1]]
    at = np.stack([(y - (block - 1) / 2) / block, (x - (block - 1) / 2) / block])
    expected = map_coordinates(small, at, order=1, mode="nearest")
    assert enlarge(small, block, shape) == pytest.approx(expected, abs=1e-5)


def test_block_means_keep_the_mean_and_pad_by_the_edge() -> None:
    image = np.arange(35.0).reshape(5, 7)
    means = block_mean(image, 2)
    assert means.shape == (3, 4)
    assert means[0, 0] == image[:2, :2].mean()
    assert means[2, 3] == image[4, 6]
