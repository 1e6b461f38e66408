import numpy as np
import pytest
import torch

from nanonet.records import InputError
from simulate.camera import Camera
from simulate.camera.detector import Detector, count, expose
from simulate.camera.sampling import sample_periodic
from simulate.view import View

CURVE = ((0.0, 1.0), (0.3, 0.8), (0.7, 0.5), (1.0, 0.2))


def wave_image(side: float, count_: int, orders: tuple[int, int]) -> torch.Tensor:
    """1 + ½ cos of a harmonic of the box."""
    place = torch.arange(count_) * side / count_
    phase = 2 * torch.pi / side * (orders[0] * place[:, None] + orders[1] * place)
    return (1 + 0.5 * torch.cos(phase)).float()


def amplitude(detector: Detector, orders: tuple[int, int]) -> float:
    """Amplitude of a harmonic of a box of 20 Å after the camera; 0.5 before."""
    view = View(origin=(0.0, 0.0), pixel_size=detector.pixel_size, shape=(80, 80))
    seen = sample_periodic(wave_image(20.0, 100, orders), 0.2, view, detector.response)
    return float(2 * np.abs(np.fft.fft2(seen.numpy(), norm="forward"))[orders])


@pytest.mark.parametrize("orders", [(0, 20), (12, 16), (0, 8), (30, 30)])
def test_every_part_damps_each_frequency_by_what_it_says(orders):
    ky, kx = orders[0] / 20, orders[1] / 20
    k, fraction = np.hypot(ky, kx), np.hypot(ky, kx) / 2
    for changes, expected in (
        ({"mtf_nyquist": 0.4}, 0.4 ** (fraction**2)),
        ({"mtf_nyquist": 1.0, "vibration": 0.2}, np.exp(-2 * (np.pi * 0.2 * k) ** 2)),
        ({"mtf_nyquist": 1.0, "motion": (0.3, 0.7)}, abs(np.sinc(0.3 * ky + 0.7 * kx))),
        ({"camera": Camera(mtf=CURVE)}, Camera(mtf=CURVE).signal.at(fraction)),
    ):
        detector = Detector(pixel_size=0.25, dose=16.0, **changes)
        assert amplitude(detector, orders) == pytest.approx(0.5 * expected, rel=2e-3, abs=1e-6)


def test_motion_blurs_along_its_way_and_moves_nothing():
    detector = Detector(pixel_size=0.25, dose=16.0, mtf_nyquist=1.0, motion=(2.0, 0.0))
    k = torch.tensor([0.25, 0.4])
    zero = torch.zeros(2)
    torch.testing.assert_close(detector.response(zero, k), torch.ones(2))
    torch.testing.assert_close(detector.response(k, zero), torch.sinc(2 * k))
    assert not detector.response(k, zero).is_complex()


def test_the_response_is_float32_and_differentiable_also_at_zero():
    camera = Camera(mtf=CURVE)
    k = torch.linspace(0, 2.5, 201, dtype=torch.float64, requires_grad=True)
    response = expose(camera, 0.25, 10.0, 0.1, motion=(0.2, 0.1)).response(k[:, None], k[None, :])
    assert response.dtype == torch.float32
    response.sum().backward()
    assert torch.isfinite(k.grad).all()
    assert (response.diagonal().detach().diff() < 0).all()


def test_the_generic_camera_counts_every_electron():
    counts = Detector(pixel_size=0.5, dose=40.0).record(
        torch.full((300, 300), 10.0), np.random.default_rng(0)
    )
    assert counts.dtype == np.float32
    assert not (counts % 1).any()
    assert counts.mean() == pytest.approx(10.0, rel=0.01)
    assert counts.var() == pytest.approx(10.0, rel=0.03)


def test_the_noise_follows_from_the_generator():
    for camera in (None, Camera(mtf=CURVE, ntf=CURVE, dqe0=0.5, counting=False, pattern=0.02, dead=1e-3)):
        detector = Detector(pixel_size=0.5, dose=40.0, camera=camera)
        flat = torch.full((2, 40, 50), 10.0)
        first, again, other = (detector.record(flat, np.random.default_rng(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert first.shape == (2, 40, 50)
        assert not np.array_equal(first, other)
        assert not np.array_equal(first[0], first[1])


def test_what_is_expected_may_ring_below_zero():
    flat = torch.full((8, 8), -0.01)
    for camera in (None, Camera(mtf=CURVE, dqe0=0.5, counting=False)):
        detector = Detector(pixel_size=1.0, dose=1.0, camera=camera)
        assert not detector.record(flat, np.random.default_rng(0)).any()
    assert not count(flat, np.random.default_rng(0)).any()


def test_values_are_the_numbers_that_were_drawn():
    assert Detector(pixel_size=0.25, dose=10.0, mtf_nyquist=0.5, vibration=0.1).values() == {
        "pixel_size": 0.25,
        "dose": 10.0,
        "mtf_nyquist": 0.5,
        "vibration": 0.1,
    }
    values = expose(Camera(mtf=CURVE), 0.25, 10.0, motion=(0.3, 0.4), rate=0.02).values()
    assert values["mtf_nyquist"] == pytest.approx(0.2)
    assert values["motion"] == pytest.approx(0.5)
    assert values["rate"] == 0.02


@pytest.mark.parametrize(
    "bad",
    [
        {"dose": 0.0},
        {"pixel_size": float("nan")},
        {"mtf_nyquist": 1.5},
        {"vibration": -0.1},
        {"rate": float("nan")},
    ],
)
def test_bad_detectors_are_refused(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        Detector(**{"pixel_size": 0.25, "dose": 10.0, **bad})
