"""The dose told from the noise: of detectors that spread electrons, any gain, crystals, hot pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nanonet.atomic_columns.dose import counted_dose, noise_equivalent_dose, noise_power
from nanonet.records import Micrograph

PIXEL = 0.25


def frame(image, **changes):
    known = {"name": "x", "pixel_size": PIXEL, "modality": "HRTEM"} | changes
    return Micrograph(image=np.asarray(image, np.float32), **known)


def counted(electrons, seed=0):
    return np.random.default_rng(seed).poisson(electrons).astype(float)


def spread(counts, width):
    """Spread each electron over its neighbours: a Gaussian of standard deviation ``width`` [px]."""
    k2 = np.fft.fftfreq(counts.shape[0])[:, None] ** 2 + np.fft.rfftfreq(counts.shape[1])[None] ** 2
    return np.fft.irfft2(np.fft.rfft2(counts) * np.exp(-2 * np.pi**2 * width**2 * k2), counts.shape)


@pytest.mark.parametrize("dose", [20.0, 200.0, 20000.0])
@pytest.mark.parametrize("gain", [1.0, 37.5])
def test_white_noise_whatever_the_gain(dose, gain):
    image = gain * counted(np.full((512, 512), dose * PIXEL**2))
    assert noise_equivalent_dose(frame(image)) == pytest.approx(dose, rel=0.1)


@pytest.mark.parametrize("width", [0.3, 0.5, 0.7])
def test_a_detector_that_spreads_its_electrons(width):
    image = spread(counted(np.full((512, 512), 12.5)), width)
    variance = image.var()
    assert 12.5**2 / variance > 1.5 * 12.5  # what the variance of the pixels alone would say
    assert noise_equivalent_dose(frame(image)) == pytest.approx(200, rel=0.1)


def test_a_crystal_that_fills_the_frame_is_no_noise():
    y, x = np.mgrid[:512, :512] * PIXEL
    lattice = 1 + 0.25 * np.cos(2 * np.pi * (0.30 * y + 0.11 * x)) * np.cos(2 * np.pi * (0.25 * x - 0.1 * y))
    for dose in (100.0, 10000.0):
        image = counted(lattice * dose * PIXEL**2)
        assert noise_equivalent_dose(frame(image)) == pytest.approx(dose, rel=0.15)


@pytest.mark.parametrize("shape", [(128, 128), (64, 200), (700, 300), (1030, 1030)])
def test_frames_of_any_size(shape):
    found = [noise_equivalent_dose(frame(counted(np.full(shape, 12.5), seed))) for seed in range(8)]
    assert np.mean(found) == pytest.approx(200, rel=0.1)
    assert np.std(found) < 60


def test_power_of_white_noise_is_its_variance():
    image = np.random.default_rng(0).normal(3, 2, (16, 256, 256))
    assert noise_power(image) == pytest.approx(4, rel=0.05)


def test_hot_pixels_do_not_count():
    image = counted(np.full((256, 256), 12.5))
    image[tuple(np.random.default_rng(1).integers(256, size=(2, 20)))] = 5000
    assert noise_equivalent_dose(frame(image)) == pytest.approx(200, rel=0.15)


def test_what_says_nothing_gives_none():
    some = frame(counted(np.full((64, 64), 5.0)))
    assert noise_equivalent_dose(replace(some, modality="HAADF")) is None
    assert noise_equivalent_dose(replace(some, pixel_size=None)) is None
    assert noise_equivalent_dose(frame(np.full((64, 64), 7.0))) is None
    assert noise_equivalent_dose(frame(some.image - some.image.mean() - 1)) is None
    assert noise_equivalent_dose(frame(np.ones((3, 3)))) is None


@pytest.mark.parametrize("gain", [1.0, 37.5])
@pytest.mark.parametrize("electrons", [0.5, 20.0])
def test_what_a_stem_counts_where_the_specimen_is(gain, electrons):
    """Whatever the gain, and however much vacuum lies around."""
    for side in (128, 512):
        y, x = np.mgrid[:side, :side] - side / 2
        disc = electrons * (0.01 + 1 / (1 + np.exp(np.hypot(y, x) - 50)))
        image = frame(gain * counted(disc), modality="HAADF")
        assert counted_dose(image) == pytest.approx(electrons / PIXEL**2, rel=0.2)


def test_a_stem_that_counts_nothing_tells_nothing():
    assert counted_dose(frame(np.zeros((64, 64)), modality="HAADF")) is None
    assert counted_dose(frame(counted(np.full((64, 64), 5.0)))) is None
    assert counted_dose(frame(counted(np.full((64, 64), 5.0)), modality="HAADF", pixel_size=None)) is None
