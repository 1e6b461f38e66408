"""What a probe passes out of focus."""

from dataclasses import replace

import numpy as np
import pytest

from nanonet.records import InputError
from simulate.population.focus import transfer
from simulate.stem.probe import Probe, probe_wave

PROBE = Probe(energy=2e5, semiangle_cutoff=23.0)


@pytest.mark.parametrize(
    ("defocus", "height", "cs"), [(0.0, 0.0, 0.0), (60.0, -60.0, 0.0), (-80.0, 40.0, 1e4)]
)
def test_it_is_the_transform_of_the_probes_intensity(defocus: float, height: float, cs: float) -> None:
    probe = replace(PROBE, defocus=defocus, Cs=cs)
    side, count = 200.0, 800
    wave = probe_wave(replace(probe, defocus=defocus - height), (count, count), (side, side)).numpy()
    expected = np.fft.fft2(np.abs(wave) ** 2)[0, :100].real
    found = transfer(probe, height, np.arange(100) / side)
    np.testing.assert_allclose(found, expected, atol=4e-3)


def test_far_from_focus_it_is_that_of_a_disc() -> None:
    """Of the radius α Δz: geometry (Stokseth, J. Opt. Soc. Am. 59 (1969) 1314)."""
    from scipy.special import j1

    frequency = np.linspace(1e-3, 0.12, 40)
    argument = 2 * np.pi * frequency * 0.023 * 400.0
    np.testing.assert_allclose(transfer(PROBE, 400.0, frequency), 2 * j1(argument) / argument, atol=0.06)


def test_source_and_focal_spread_blur_and_nothing_passes_beyond_twice_the_aperture() -> None:
    frequency = np.array([0.0, 0.2, 5.0])
    sharp = transfer(PROBE, 0.0, frequency)
    assert sharp[0] == pytest.approx(1.0)
    assert sharp[2] == 0.0
    source = transfer(replace(PROBE, source_size=0.5), 0.0, frequency)
    assert source[1] / sharp[1] == pytest.approx(np.exp(-2 * (np.pi * 0.1) ** 2))
    assert transfer(replace(PROBE, focal_spread=80.0), 0.0, frequency)[1] < sharp[1]


def test_a_probe_that_is_not_round_is_refused() -> None:
    with pytest.raises(InputError, match="astigmatism=0"):
        transfer(replace(PROBE, astigmatism=5.0), 0.0, np.array([0.1]))
