import numpy as np
import pytest
import torch
from scipy import constants

from nanonet.records import InputError
from simulate.tem.optics import Optics, random_phases, smear, transfer_function, wavelength

FULL = {
    "defocus": 60.0,
    "Cs": -9e4,
    "astigmatism": 20.0,
    "astigmatism_angle": 0.4,
    "coma": 400.0,
    "coma_angle": 1.1,
}


def test_the_wavelength_is_relativistic():
    rest = constants.m_e * constants.c**2 / constants.e
    assert wavelength(300e3) == pytest.approx(0.0196875, rel=1e-5)
    momentum = np.sqrt((300e3 + rest) ** 2 - rest**2)
    assert wavelength(300e3) == pytest.approx(
        1e10 * constants.h * constants.c / constants.e / momentum, rel=1e-9
    )
    with pytest.raises(InputError, match="energy"):
        wavelength(0.0)


@pytest.mark.parametrize(
    ("energy", "sampling", "C5"), [(80e3, 0.5, 0.0), (300e3, 0.3, 0.0), (300e3, 0.4, 5e7)]
)
def test_the_transfer_function_is_abtems(energy, sampling, C5):
    """Up to some 50 mrad: where the phase reaches thousands of rad, the constants' last digits show."""
    import abtem

    with abtem.config.set({"precision": "float64"}):
        theirs = abtem.CTF(
            energy=energy, gpts=(48, 64), sampling=(sampling, sampling), C50=C5, **FULL
        )._evaluate_kernel()
    ours = transfer_function(Optics(energy=energy, C5=C5, **FULL), (64, 48), sampling)
    assert np.abs(ours.numpy() - theirs.T).max() < 1e-6


def test_underfocus_looks_at_a_plane_before_the_specimen():
    """exp(-iχ) of a positive defocus is free space of the opposite sign, exp(+iπ λ Δf k²)."""
    k = np.fft.fftfreq(64, 0.2)
    expected = np.exp(1j * np.pi * wavelength(300e3) * 35.0 * (k[:, None] ** 2 + k**2))
    ours = transfer_function(Optics(energy=300e3, defocus=35.0), (64, 64), 0.2)
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-6)


def test_the_aperture_stops_what_lies_beyond_its_angle():
    transfer = transfer_function(Optics(energy=300e3, aperture=20.0), (64, 64), 0.2).abs().numpy()
    k = np.fft.fftfreq(64, 0.2)
    angle = 1e3 * wavelength(300e3) * np.hypot(k[:, None], k)
    np.testing.assert_array_equal(transfer, (angle <= 20.0).astype(np.float32))


def test_the_direct_beam_sees_abtems_envelopes_of_partial_coherence():
    """exp(-½ |f|²) is the product of the temporal and the spatial envelope; abTEM's spreads are √2 ours."""
    import abtem

    lens = {"defocus": 60.0, "Cs": -9e4}
    with abtem.config.set({"precision": "float64"}):
        theirs = abtem.CTF(
            energy=300e3,
            gpts=(48, 64),
            sampling=(0.2, 0.2),
            angular_spread=0.2 * np.sqrt(2),
            focal_spread=25.0 * np.sqrt(2),
            **lens,
        )._evaluate_kernel()
    features = random_phases(
        Optics(energy=300e3, focal_spread=25.0, angular_spread=0.2, **lens), (64, 48), 0.2
    )
    ours = torch.exp(-0.5 * features.square().sum(dim=0)).numpy()
    np.testing.assert_allclose(ours, np.abs(theirs.T), atol=1e-5)


def test_random_phases_are_the_derivatives_of_the_aberrations():
    """Against finite differences of the transfer function's own phase, with all aberrations on."""
    shape, sampling, step = (48, 64), 0.3, 1e-3

    def phase(tilt_y: float = 0.0, tilt_x: float = 0.0, defocus: float = FULL["defocus"]) -> np.ndarray:
        # A tilted beam is seen through the transfer function at shifted frequencies: shift the grid.
        ky, kx = np.fft.fftfreq(shape[0], sampling)[:, None], np.fft.fftfreq(shape[1], sampling)
        ay, ax = (wavelength(300e3) * ky + tilt_y, wavelength(300e3) * kx + tilt_x)
        square = ay**2 + ax**2
        angle = np.arctan2(ay, ax)
        return (
            2
            * np.pi
            / wavelength(300e3)
            * (
                -0.5 * defocus * square
                + 0.25 * FULL["Cs"] * square**2
                + 0.5 * FULL["astigmatism"] * square * np.cos(2 * (angle - FULL["astigmatism_angle"]))
                + FULL["coma"] / 3 * square**1.5 * np.cos(angle - FULL["coma_angle"])
            )
        )

    features = random_phases(
        Optics(energy=300e3, focal_spread=25.0, angular_spread=0.1, **FULL), shape, sampling
    ).numpy()
    focal = 25.0 * (phase(defocus=59.5) - phase(defocus=60.5))
    np.testing.assert_allclose(features[0], focal, atol=1e-3)
    for index, name in ((1, "tilt_y"), (2, "tilt_x")):
        slope = 1e-4 * (phase(**{name: step}) - phase(**{name: -step})) / (2 * step)
        np.testing.assert_allclose(features[index], slope, atol=3e-3)


def test_the_smear_is_how_far_a_spread_of_focus_moves_a_beam():
    """One beam at k is displaced by λ k δ for a defocus δ: λ k σ along k, none across it."""
    beam = torch.zeros(64, 64)
    beam[0, 10] = 1.0
    k = 10 / (64 * 0.2)
    moved = smear(Optics(energy=300e3, focal_spread=30.0), beam, 0.2).item()
    assert moved == pytest.approx(wavelength(300e3) * k * 30.0 / np.sqrt(2), rel=1e-4)
