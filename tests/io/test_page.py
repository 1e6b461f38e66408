"""Images as they lie in files."""

import numpy as np
import pytest
import tifffile

from nanonet.io.page import Page
from nanonet.io.writers.images import write_tif


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", ">f4", "float64"])
def test_an_image_comes_back(dtype):
    image = (np.random.default_rng(0).random((7, 9)) * 5).astype(dtype)[:, ::2]
    found = Page.of(image).image()
    assert found.dtype == image.dtype
    assert found.flags.writeable
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", ">f4", "float64"])
def test_a_tif_of_pages_is_that_of_their_images(tmp_path, dtype):
    images = [(np.random.default_rng(seed).random((20, 30)) * 5).astype(dtype) for seed in range(3)]
    write_tif(tmp_path / "images.tif", images, pixel_size=0.2)
    write_tif(tmp_path / "pages.tif", [Page.of(image) for image in images], pixel_size=0.2)
    found, expected = (tifffile.imread(tmp_path / f"{name}.tif") for name in ("pages", "images"))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found, np.stack(images), rtol=1e-6)


def test_damaged_data_are_told():
    page = Page.of(np.ones((4, 4)))
    with pytest.raises(ValueError, match="damaged"):
        Page(data=page.data[:-4], shape=page.shape, dtype=page.dtype).image()


def test_objects_are_refused():
    with pytest.raises(ValueError, match="cannot be stored"):
        Page.of(np.array([[object()]]))
