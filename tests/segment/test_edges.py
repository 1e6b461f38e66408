"""Outlines lie at half of each particle's own height, whatever the threshold that found it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.measure import label

from nanonet.segment.edges import half_height


def scene() -> tuple[np.ndarray, np.ndarray]:
    """A bright and a faint disc of 20 px radius on a background of 5, smoothed; returns image and truth."""
    y, x = np.mgrid[:128, :256]
    truth = np.zeros((128, 256), dtype=int)
    truth[(y - 64) ** 2 + (x - 64) ** 2 <= 400] = 1
    truth[(y - 64) ** 2 + (x - 190) ** 2 <= 400] = 2
    return gaussian_filter(5.0 + 10.0 * (truth == 1) + 4.0 * (truth == 2), 3.0), truth


@pytest.mark.parametrize("threshold", [5.7, 6.5, 7.6])
def test_areas_do_not_depend_on_the_threshold(threshold: float) -> None:
    image, truth = scene()
    labels, _ = half_height(image, label(image > threshold), reach=3.0)
    assert np.bincount(labels.ravel())[1:] == pytest.approx(np.bincount(truth.ravel())[1:], rel=0.07)


def test_levels_are_half_heights() -> None:
    image, truth = scene()
    assert half_height(image, truth, reach=3.0)[1][1:] == pytest.approx([10.0, 7.0], rel=0.05)


def test_dark_spots_inside_stay_inside_and_holes_stay_holes() -> None:
    image, truth = scene()
    image[60:64, 60:64] = 6.0
    image[60:70, 186:196] = 5.0
    before = truth.copy()
    before[60:70, 186:196] = 0
    labels, _ = half_height(image, before, reach=1.0)
    assert (labels[60:64, 60:64] == 1).all()
    assert (labels[62:68, 188:194] == 0).all()


def test_nothing_stays_nothing() -> None:
    labels, level = half_height(np.ones((8, 8)), np.zeros((8, 8), dtype=np.int32), reach=2.0)
    assert labels.max() == 0
    assert level.tolist() == [np.inf]
