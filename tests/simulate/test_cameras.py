from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from nanonet.configuration import build
from nanonet.records import InputError
from simulate.camera import Camera
from simulate.camera.curve import Curve
from simulate.camera.detector import expose
from simulate.camera.selftest import flat_field_noise, measured_mtf

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "simulate" / "camera"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
CURVE = ((0.0, 1.0), (0.5, 0.6), (1.0, 0.3))
CCD = Camera(mtf=CURVE, ntf=((0, 1), (1, 0.6)), dqe0=0.5, counting=False, gain=5.0, readout=4.0)


def camera_of(name: str) -> Camera:
    return build(OmegaConf.load(FOLDER / f"{name}.yaml"))


def flat(camera: Camera, electrons: float, shape: tuple[int, ...] = (256, 256), **options) -> np.ndarray:
    detector = expose(camera, 1.0, electrons, **options)
    counts = detector.record(torch.full(shape, electrons), np.random.default_rng(0))
    return counts.astype(np.float64)


# Anchors of the curves: MTF and DQE at half and at full Nyquist's frequency, as docs/cameras.md lists them.
ANCHORS = {
    "k2_300kv": (0.73, 0.39, 0.43, 0.12),
    "k3_300kv": (0.89, 0.64, 0.67, 0.34),
    "falcon4_300kv": (0.53, 0.09, 0.72, 0.50),
    "de20_300kv": (0.57, 0.20, 0.41, 0.21),
    "us1000_300kv": (0.17, 0.04, 0.043, 0.0065),
    "us4000_200kv": (0.185, 0.054, 0.049, 0.0104),
}


@pytest.mark.parametrize("name", NAMES)
def test_every_camera_is_documented_and_keeps_its_published_anchors(name):
    camera, (half, full, dqe_half, dqe_full) = camera_of(name), ANCHORS[name]
    assert camera.signal.at(0.5) == pytest.approx(half, rel=0.02)
    assert camera.signal.at(1.0) == pytest.approx(full, rel=0.1)
    assert camera.dqe(0.5) == pytest.approx(dqe_half, rel=0.03)
    assert camera.dqe(1.0) == pytest.approx(dqe_full, rel=0.03)
    assert camera.source
    assert camera.energy in (200e3, 300e3)
    page = (FOLDER.parents[2] / "docs" / "cameras.md").read_text(encoding="utf-8")
    assert f"`{name}`" in page
    falling = np.array([camera.signal.at(f) for f in np.linspace(0, 1.4, 141)])
    assert (np.diff(falling) < 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_camera_shows_its_transfer_and_its_noise(name):
    camera = camera_of(name)
    fraction, measured, expected = measured_mtf(camera, electrons=2000.0)
    below = fraction < 0.6  # the fewer electrons of this test leave too much noise beyond
    np.testing.assert_allclose(measured[below], expected[below], atol=0.03)
    _, measured, expected = flat_field_noise(camera, frames=24)
    np.testing.assert_allclose(measured, expected, rtol=0.06)


@pytest.mark.parametrize("electrons", [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0])
@pytest.mark.parametrize("counting", [True, False])
def test_mean_and_variance_are_right_at_any_dose(electrons, counting):
    camera = Camera(mtf=CURVE, dqe0=0.5, counting=counting, gain=5.0)
    counts = flat(camera, electrons)
    mean = camera.counts_per_electron * electrons
    variance = camera.counts_per_electron**2 * electrons / camera.dqe0
    # Kurtosis of the compound Poisson-gamma numbers at dose n: 3 + m4 / n, m4 = 6 for exponential weights.
    spread = np.sqrt((2 + 6 / electrons) / counts.size)
    assert counts.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / counts.size))
    assert counts.var() == pytest.approx(variance, rel=5 * spread)


def test_readout_dark_current_and_rounding_add_their_variances():
    camera = replace(CCD, ntf=None, readout=3.0, dark=4.0, whole=True)
    empty, lit = flat(camera, 1e-9), flat(camera, 40.0)
    assert not (lit % 1).any()
    assert empty.var() == pytest.approx(25 + 1 / 12, rel=0.03)
    assert lit.var() == pytest.approx(25 + 25 * 40 / 0.5, rel=0.03)


def test_counts_end_at_the_largest_number():
    counts = flat(replace(CCD, bits=8), 100.0)
    assert counts.max() == 255
    assert (counts == 255).mean() > 0.9


def test_coinciding_electrons_are_counted_once():
    camera = Camera(mtf=CURVE, dqe0=0.8, coincidence_area=9.0)
    assert flat(camera, 50.0).mean() == pytest.approx(40.0, rel=0.005)
    lost = flat(camera, 50.0, rate=0.05).mean()
    neighbours = 9 * 0.05 * 0.8
    assert lost == pytest.approx(40.0 * (1 - np.exp(-neighbours)) / neighbours, rel=0.005)
    bright = expose(camera, 1.0, 50.0, rate=0.05).record(
        torch.full((256, 256), 100.0), np.random.default_rng(0)
    )
    assert bright.mean() < 2 * lost * 0.95  # what is brighter than vacuum loses more


def test_the_pattern_of_a_sensor_stays_and_another_sensor_has_another():
    camera = replace(CCD, pattern=0.05, readout=0.0)
    detector = expose(camera, 1.0, 1e4, sensor=3)
    light = torch.full((20, 64, 64), 1e4)
    first = detector.record(light, np.random.default_rng(0)).mean(axis=0)
    again = detector.record(light, np.random.default_rng(1)).mean(axis=0)
    other = expose(camera, 1.0, 1e4, sensor=4).record(light, np.random.default_rng(0)).mean(axis=0)
    assert first.std() / first.mean() == pytest.approx(0.05, rel=0.05)
    assert np.corrcoef(first.ravel(), again.ravel())[0, 1] > 0.99
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.1


def test_bad_pixels_are_seen_or_mended():
    camera = Camera(mtf=CURVE, dead=0.01, hot=0.01, hot_counts=500.0, mended=False)
    seen = flat(camera, 100.0)
    assert (seen == 0).mean() == pytest.approx(0.01, rel=0.2)
    assert (seen > 400).mean() == pytest.approx(0.01, rel=0.2)
    mended = flat(replace(camera, mended=True), 100.0)
    assert mended.min() > 40
    assert mended.max() < 180
    bad = (seen == 0) | (seen > 400)
    assert mended[bad].mean() == pytest.approx(100.0, rel=0.02)
    np.testing.assert_array_equal(mended[~bad], seen[~bad])


def test_a_curve_goes_through_its_points_and_falls_on_beyond_them():
    curve = Curve(CURVE)
    assert [curve.at(place) for place, _ in CURVE] == pytest.approx([value for _, value in CURVE])
    beyond = [curve.at(f) for f in (0.999, 1.0, 1.001, 1.2, 1.414)]
    assert beyond == sorted(beyond, reverse=True)
    assert beyond[-1] > 0


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"mtf": [[0, 0.9], [1, 0.3]]}, r"\[0, 1\]"),
        ({"mtf": [[0, 1], [0.5, 0.3]]}, "up to 1"),
        ({"mtf": [[0, 1], [1, 0.0]]}, "above 0"),
        ({"ntf": [[0, 1], [1, 0.1]], "dqe0": 0.9}, "DQE of"),
        ({"dqe0": 0.0}, "dqe0"),
        ({"gain": -1.0}, "gain"),
        ({"readout": -1.0}, "readout"),
        ({"pattern": float("nan")}, "pattern"),
        ({"dead": 0.7}, "dead"),
        ({"bits": 0}, "bits"),
    ],
)
def test_bad_cameras_are_refused(bad, says):
    with pytest.raises(InputError, match=says):
        Camera(**{"mtf": CURVE, **bad})
