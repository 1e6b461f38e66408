"""The pixels around places, against a loop over them."""

import numpy as np
import pytest

from nanonet.atomic_columns.around import Around


@pytest.mark.parametrize("place", [(4.4, 5.6), (0.2, 0.0), (8.9, 11.4), (-0.4, 3.0)])
def test_offsets_lead_from_the_place_to_the_pixels_that_are_inside(place):
    shape = (10, 12)
    around = Around.of(np.array([place]), 2.3, shape)
    centre = np.rint(place)
    expected = {
        (y, x)
        for y in range(shape[0])
        for x in range(shape[1])
        if abs(y - centre[0]) <= 3 and abs(x - centre[1]) <= 3
    }
    inside = around.inside[0]
    pixels = np.stack([around.y[0], around.x[0]], axis=1)
    assert {tuple(pixel) for pixel in pixels[inside].tolist()} == expected
    np.testing.assert_allclose(place + around.offsets[0][inside], pixels[inside])
    np.testing.assert_allclose(around.r2, (around.offsets**2).sum(-1))
    assert (pixels >= 0).all()
    assert (pixels < shape).all()


def test_no_places_have_no_pixels():
    assert Around.of(np.zeros((0, 2)), 1.0, (5, 5)).y.shape[0] == 0
