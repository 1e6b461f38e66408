import numpy as np
import pytest
import torch

from simulate.camera.sampling import sample_periodic
from simulate.view import View


def wave_image(side: float, count: int, orders: tuple[int, int]) -> torch.Tensor:
    """1 + ½ cos of a harmonic of the box."""
    place = torch.arange(count) * side / count
    phase = 2 * torch.pi / side * (orders[0] * place[:, None] + orders[1] * place)
    return (1 + 0.5 * torch.cos(phase)).float()


@pytest.mark.parametrize("pixel_size", [0.2, 0.25, 0.3137])
def test_any_pixel_size_and_shift_is_exact(pixel_size):
    side, origin, shape = 20.0, (2.317, 1.001), (40, 50)
    view = View(origin=origin, pixel_size=pixel_size, shape=shape)
    seen = sample_periodic(wave_image(side, 100, (3, -5)), 0.2, view)
    y, x = (start + pixel_size * np.arange(n) for start, n in zip(origin, shape, strict=True))
    truth = 1 + 0.5 * np.cos(2 * np.pi / side * (3 * y[:, None] - 5 * x))
    np.testing.assert_allclose(seen.numpy(), truth, rtol=2e-5)


def test_what_the_pixels_do_not_resolve_does_not_alias():
    view = View(origin=(0.0, 0.0), pixel_size=0.25, shape=(8, 40))
    seen = sample_periodic(wave_image(20.0, 100, (0, 45)), 0.2, view)
    np.testing.assert_allclose(seen.numpy(), 1.0, atol=1e-5)


def test_a_probe_that_stops_at_points_aliases():
    view = View(origin=(0.0, 0.0), pixel_size=0.25, shape=(8, 40))
    seen = sample_periodic(wave_image(20.0, 100, (0, 45)), 0.2, view, aliased=True)
    truth = 1 + 0.5 * np.cos(2 * np.pi / 20.0 * 45 * 0.25 * np.arange(40))
    np.testing.assert_allclose(seen[0].numpy(), truth, atol=1e-5)


def test_beyond_the_box_lies_what_is_said():
    view = View(origin=(-2.0, -2.0), pixel_size=0.25, shape=(60, 60))
    seen = sample_periodic(torch.full((50, 50), 0.5), 0.2, view, outside=1.0)
    assert seen[0, 0] == seen[-1, -1] == 1.0
    assert seen[30, 30] == pytest.approx(0.5)
    assert (seen < 0.75).sum() == 40 * 40
