import numpy as np
import pytest
import torch

from nanonet.records import InputError
from simulate.detector import Detector, count, expected_counts
from simulate.microscope import Microscope


def wave_image(side: float, count_: int, orders: tuple[int, int]) -> torch.Tensor:
    """1 + ½ cos of a harmonic of the box."""
    place = torch.arange(count_) * side / count_
    phase = 2 * torch.pi / side * (orders[0] * place[:, None] + orders[1] * place)
    return (1 + 0.5 * torch.cos(phase)).float()


@pytest.mark.parametrize("pixel_size", [0.2, 0.25, 0.3137])
def test_any_pixel_size_and_shift_is_exact(pixel_size):
    side, origin = 20.0, (2.317, 1.001)
    camera = Detector(pixel_size=pixel_size, dose=100.0, mtf_nyquist=1.0)
    seen = expected_counts(wave_image(side, 100, (3, -5)), 0.2, camera, origin=origin, shape=(40, 50))
    y, x = (start + pixel_size * np.arange(n) for start, n in zip(origin, (40, 50), strict=True))
    truth = 1 + 0.5 * np.cos(2 * np.pi / side * (3 * y[:, None] - 5 * x))
    np.testing.assert_allclose(seen.numpy(), 100.0 * pixel_size**2 * truth, rtol=2e-5)


def test_mtf_and_vibration_damp_each_frequency_by_what_they_say():
    side, order = 20.0, 20  # 1 1/Å, half of Nyquist's frequency of 0.25 Å pixels
    for camera, expected in (
        (Detector(pixel_size=0.25, dose=1.0, mtf_nyquist=0.4), 0.4**0.25),
        (
            Detector(pixel_size=0.25, dose=1.0, mtf_nyquist=1.0, vibration=0.2),
            np.exp(-2 * (np.pi * 0.2) ** 2),
        ),
    ):
        seen = expected_counts(wave_image(side, 100, (0, order)), 0.2, camera, origin=(0, 0), shape=(8, 80))
        amplitude = np.abs(np.fft.fft(seen[0].numpy()))[20] / 40 * 16
        assert amplitude == pytest.approx(0.5 * expected, rel=1e-3)


def test_what_the_camera_does_not_resolve_does_not_alias():
    seen = expected_counts(
        wave_image(20.0, 100, (0, 45)),
        0.2,
        Detector(pixel_size=0.25, dose=16.0),
        origin=(0, 0),
        shape=(8, 40),
    )
    np.testing.assert_allclose(seen.numpy(), 1.0, atol=1e-5)


def test_beyond_the_box_lies_vacuum():
    image = torch.full((50, 50), 0.5)
    seen = expected_counts(
        image, 0.2, Detector(pixel_size=0.25, dose=16.0), origin=(-2.0, -2.0), shape=(60, 60)
    )
    assert seen[0, 0] == seen[-1, -1] == 1.0
    assert seen[30, 30] == pytest.approx(0.5)
    assert (seen < 0.75).sum() == 40 * 40


@pytest.mark.parametrize("dose", [10.0, 1000.0])
def test_counts_are_poissons_with_mean_dose_times_area(dose):
    camera = Detector(pixel_size=0.25, dose=dose)
    expected = expected_counts(torch.ones(80, 80), 0.2, camera, origin=(0.0, 0.0), shape=(60, 60))
    counts = np.stack([count(expected, np.random.default_rng([0, i])) for i in range(40)])
    mean = dose * 0.25**2
    assert counts.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / counts.size))
    assert counts.var() == pytest.approx(mean, rel=0.05)
    assert counts.dtype == np.float32
    assert not (counts % 1).any()


def test_settings_lie_in_their_ranges_and_the_dose_is_log_uniform():
    microscope = Microscope(dose=(100.0, 10000.0), defocus=(40.0, 60.0), Cs=-9e4)
    drawn = [microscope.draw(300e3, np.random.default_rng(i)).values() for i in range(2000)]
    doses = np.array([values["dose"] for values in drawn])
    assert doses.min() >= 100
    assert doses.max() <= 10000
    assert np.median(doses) == pytest.approx(1000, rel=0.15)
    assert all(40 <= values["defocus"] <= 60 and values["Cs"] == -9e4 for values in drawn)
    assert {"energy", "focal_spread", "pixel_size", "vibration", "mtf_nyquist"} <= set(drawn[0])
    assert "aperture" not in drawn[0]


@pytest.mark.parametrize(
    "bad", [{"dose": (0.0, 10.0)}, {"pixel_size": -0.2}, {"defocus": (60.0, 40.0)}, {"Cs": (1.0, 2.0, 3.0)}]
)
def test_bad_microscopes_are_refused(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        Microscope(**bad)


@pytest.mark.parametrize("bad", [{"dose": 0.0}, {"pixel_size": float("nan")}, {"mtf_nyquist": 1.5}])
def test_bad_cameras_are_refused(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        Detector(**{"pixel_size": 0.25, "dose": 10.0, **bad})
