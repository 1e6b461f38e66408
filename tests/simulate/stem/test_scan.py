"""Scan noise: statistics of lines and electrons, and what stays as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from nanonet.records import InputError
from simulate.stem.microscope import ScanningMicroscope, ScanSetting
from simulate.stem.probe import Probe
from simulate.stem.scan import ScanNoise, lag_along, line_shifts, linger, record_scan, resample


def smooth_image(count: int = 96) -> np.ndarray:
    """Waves up to 0.6 of Nyquist's frequency."""
    i, j = np.meshgrid(np.arange(count), np.arange(count), indexing="ij")
    return 5 + np.cos(2 * np.pi * 0.3 * i) + np.cos(2 * np.pi * (0.21 * j + 0.1 * i))


def wave_at(i: np.ndarray, j: np.ndarray) -> np.ndarray:
    return 5 + np.cos(2 * np.pi * 0.3 * i) + np.cos(2 * np.pi * (0.21 * j + 0.1 * i))


def test_values_between_pixels_are_those_of_the_continuous_image() -> None:
    rng = np.random.default_rng(0)
    down, right = rng.normal(0, 0.7, 96), rng.normal(0, 0.7, (96, 96))
    i, j = np.meshgrid(np.arange(96.0), np.arange(96.0), indexing="ij")
    found = resample(smooth_image(), down, right)
    expected = wave_at(i + down[:, None], j + right)
    inner = np.s_[10:-10, 10:-10]
    np.testing.assert_allclose(found[inner], expected[inner], atol=5e-3)


def test_no_shift_changes_nothing() -> None:
    image = np.random.default_rng(1).random((20, 30))
    np.testing.assert_allclose(resample(image, np.zeros(20), np.zeros((20, 30))), image, atol=1e-6)


@pytest.mark.parametrize("lines", [0.0, 4.0])
def test_jitter_has_its_spread_and_correlation(lines: float) -> None:
    noise = ScanNoise(jitter=0.2, jitter_lines=lines)
    for shifts in line_shifts(noise, 40000, np.random.default_rng(2)):
        assert shifts.std() == pytest.approx(0.2, rel=0.04)
        neighbour = np.corrcoef(shifts[1:], shifts[:-1])[0, 1]
        assert neighbour == pytest.approx(np.exp(-1 / lines) if lines else 0.0, abs=0.03)


def test_jitter_moves_whole_lines_of_the_clean_image() -> None:
    j = np.arange(96.0)
    expected = 1e6 * (2 + np.cos(2 * np.pi * 0.1 * j))[None].repeat(400, axis=0)
    noise = ScanNoise(jitter=0.3)
    image = record_scan(torch.from_numpy(expected), noise, 0.5, np.random.default_rng(3))
    phases = np.angle((image * np.exp(-2j * np.pi * 0.1 * j)).sum(axis=1)) / (2 * np.pi * 0.1)
    assert (0.5 * phases).std() == pytest.approx(0.3, rel=0.12)


def test_electrons_are_counted_by_poisson() -> None:
    expected = torch.full((300, 300), 3.7)
    image = record_scan(expected, ScanNoise(), 0.2, np.random.default_rng(4))
    assert image.mean() == pytest.approx(3.7, rel=0.01)
    assert image.var() == pytest.approx(3.7, rel=0.02)
    np.testing.assert_array_equal(image, np.rint(image))


def test_gain_dark_and_readout() -> None:
    noise = ScanNoise(gain=40.0, dark=0.5, readout=10.0)
    image = record_scan(torch.full((300, 300), 2.0), noise, 0.2, np.random.default_rng(5))
    assert image.mean() == pytest.approx(40 * 2.5, rel=0.02)
    assert image.var() == pytest.approx(40**2 * 2.5 + 10**2, rel=0.03)


def test_line_gain_is_a_lines() -> None:
    image = record_scan(torch.full((400, 400), 1e6), ScanNoise(line_gain=0.02), 0.2, np.random.default_rng(6))
    assert image.mean(axis=1).std() / image.mean() == pytest.approx(0.02, rel=0.12)
    assert image.mean(axis=0).std() / image.mean() < 0.003


def test_a_slow_detector_gives_all_electrons_late() -> None:
    noise = ScanNoise(dwell=1e-6, flyback_time=1e-3, afterglow=0.4, afterglow_time=3e-6)
    signal = np.zeros((3, 60), dtype=np.float32)
    signal[1, 10] = 100.0
    late = linger(signal, noise)
    assert not late[0].any()
    assert not late[1, :10].any()
    assert late[1].sum() == pytest.approx(100.0, rel=1e-3)
    assert late[1, 10] > 60.0
    np.testing.assert_allclose(late[1, 12:20] / late[1, 11:19], np.exp(-1 / 3), rtol=1e-4)
    assert late[2].max() < 1e-3


def test_afterglow_correlates_neighbours_along_the_fast_direction_only() -> None:
    noise = ScanNoise(dwell=1e-6, afterglow=0.5, afterglow_time=2e-6)
    image = record_scan(torch.full((256, 256), 5.0), noise, 0.2, np.random.default_rng(7)) - 5.0
    assert (image[:, 1:] * image[:, :-1]).mean() / image.var() > 0.1
    assert abs((image[1:] * image[:-1]).mean() / image.var()) < 0.02


def test_the_beam_lags_at_the_start_of_lines() -> None:
    lag = lag_along(ScanNoise(flyback=0.6, flyback_decay=1e-4, dwell=1e-5), 100)
    assert lag[0] == pytest.approx(0.6)
    assert lag[10] == pytest.approx(0.6 / np.e)
    assert (np.diff(lag) < 0).all()


def test_the_same_generator_gives_the_same_image() -> None:
    noise = ScanNoise(jitter=0.1, flyback=0.3, afterglow=0.2, line_gain=0.02, readout=0.3)
    images = [record_scan(torch.full((40, 50), 2.0), noise, 0.2, np.random.default_rng(8)) for _ in range(2)]
    np.testing.assert_array_equal(*images)
    assert images[0].dtype == np.float32


@pytest.mark.parametrize("values", [{"dwell": 0.0}, {"jitter": -0.1}, {"afterglow": 1.0}, {"gain": 0.0}])
def test_impossible_scans_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(InputError):
        ScanNoise(**values)


def test_a_batch_is_no_scan() -> None:
    with pytest.raises(InputError, match="one image"):
        record_scan(torch.zeros(2, 4, 4), ScanNoise(), 0.2, np.random.default_rng(0))


def test_settings_lie_within_their_ranges() -> None:
    microscope = ScanningMicroscope(energy=200e3)
    for seed in range(50):
        setting = microscope.draw(200e3, np.random.default_rng(seed))
        for name in microscope._ranges():
            low, high = microscope.range_of(name)
            if name != "drift":
                assert low <= setting.values()[name] <= high
        assert np.hypot(*setting.drift) <= microscope.range_of("drift")[1]


def test_settings_follow_from_the_generator() -> None:
    draws = [ScanningMicroscope().draw(300e3, np.random.default_rng(9)).values() for _ in range(2)]
    assert draws[0] == draws[1]


def test_a_microscope_for_another_energy_is_refused() -> None:
    with pytest.raises(InputError, match="200000 eV"):
        ScanningMicroscope(energy=200e3).draw(300e3, np.random.default_rng(0))


@pytest.mark.parametrize(
    "values",
    [
        {"dose": (2.0, 1.0)},
        {"pixel_size": 0.0},
        {"source_size": -0.1},
        {"defocus": (1.0, 2.0, 3.0)},
        {"energy": 0.0},
    ],
)
def test_impossible_ranges_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(InputError):
        ScanningMicroscope(**values)


SETTING = ScanSetting(probe=Probe(), pixel_size=0.2, dose=1e4)


@pytest.mark.parametrize("turned", [True, False])
def test_views_keep_areas_and_meet_the_box(turned: bool) -> None:
    for seed in range(20):
        view = replace(SETTING, turned=turned).view(40.0, (128, 96), np.random.default_rng(seed))
        assert abs(np.linalg.det(view.axes)) == pytest.approx(1.0)
        middle = view.to_box(np.array([[127, 95]]) * 0.1)
        assert ((middle > 5) & (middle < 35)).all()


def test_small_views_lie_within_the_box() -> None:
    for seed in range(20):
        view = SETTING.view(40.0, (64, 64), np.random.default_rng(seed))
        corners = view.to_box(np.array([[0, 0], [0, 63], [63, 0], [63, 63]]) * 0.2)
        assert ((corners > -1e-6) & (corners < 40.0 + 1e-6)).all()


def test_a_drifting_specimen_is_scanned_askew() -> None:
    noise = ScanNoise(dwell=1e-5, flyback_time=4.4e-4)  # 1 ms a line of 56 pixels
    drifting = replace(SETTING, noise=noise, drift=(0.0, 10.0))
    axes = drifting.sheared(np.eye(2), (56, 56))
    # A specimen that moves by +0.01 Å along x a line: the beam comes to lie that much towards -x on it.
    np.testing.assert_allclose(axes[:, 0], [1.0, -0.01 / 0.2])
    np.testing.assert_allclose(axes[:, 1], [0.0, 1 - 1e-4 / 0.2])


def test_a_drift_faster_than_the_scan_is_refused() -> None:
    with pytest.raises(InputError, match="drift"):
        replace(SETTING, drift=(1e3, 0.0)).sheared(np.eye(2), (512, 512))
