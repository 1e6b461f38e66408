"""Thresholds are scikit-image's; contrast comes from the modality, else from the image."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_li

from nanonet.records import InputError
from nanonet.segment.threshold import find_threshold, particles_are_bright


def packed(fill: float) -> np.ndarray:
    """Bright discs on a grid; ``fill`` is their diameter in units of the grid's step."""
    y, x = np.mgrid[:256, :256]
    radius = fill * 16.0
    image = ((y % 32 - 16) ** 2 + (x % 32 - 16) ** 2 <= radius**2).astype(np.float32)
    return gaussian_filter(image, 1.5)


def test_li_is_that_of_scikit_image() -> None:
    image = packed(0.5)
    assert find_threshold(image, "li") == pytest.approx(threshold_li(image))


def test_unknown_method_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"threshold must be one of li, otsu.*got 'lee'"):
        find_threshold(packed(0.5), "lee")  # type: ignore[arg-type]


def test_method_that_finds_nothing_says_what_to_use() -> None:
    with pytest.raises(InputError, match="use threshold=li"):
        find_threshold(np.linspace(0, 1, 10000).reshape(100, 100), "minimum")


@pytest.mark.parametrize("fill", [0.3, 0.6, 0.9])
def test_contrast_is_read_from_the_image_whatever_the_filling(fill: float) -> None:
    assert particles_are_bright(packed(fill), None)
    assert not particles_are_bright(-packed(fill), None)


def test_modality_decides_where_it_is_known() -> None:
    image = packed(0.6)
    assert particles_are_bright(-image, "HAADF")
    assert not particles_are_bright(image, "BF-TEM")
    assert not particles_are_bright(image, "HRTEM")
