"""From the electrons that are expected in each pixel to the counts of one exposure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from simulate.camera.camera import Camera
from simulate.camera.curve import Curve
from simulate.camera.poisson import poisson
from simulate.camera.sensor import sensor_of, with_bad_pixels

if TYPE_CHECKING:
    import torch


def exposure(
    expected: Float[np.ndarray, "*b y x"],
    camera: Camera,
    rng: np.random.Generator,
    *,
    crowding: float = 0.0,
    sensor: int = 0,
) -> Float[np.ndarray, "*b y x"]:
    """Draw the counts of a camera.

    Parameters
    ----------
    expected
        Electrons a pixel, the camera's MTF already in them.
    crowding
        Readouts' worth of electrons: what ``expected`` is multiplied with to give the electrons a pixel
        within one readout of a counting camera; 0 for so few that none coincide.
    sensor
        Number of the sensor, which decides its faults.

    Returns
    -------
    counts
        float32. Their mean is ``expected`` times the camera's counts per electron, their noise power spectrum
        that of the camera.
    """
    faults = sensor_of(camera, sensor, expected.shape[-2:])
    electrons = np.maximum(expected, np.float32(0))  # a cut-off Fourier series may ring below 0
    electrons = electrons if faults.gain is None else electrons * faults.gain
    draw = _counted if camera.counting else _integrated
    counts = draw(electrons, camera, rng, crowding).astype(np.float32, copy=False)
    if camera.bits is not None:
        counts = np.minimum(counts, np.float32(2**camera.bits - 1))
    return with_bad_pixels(counts, faults, camera, rng)


def _counted(electrons: np.ndarray, camera: Camera, rng: np.random.Generator, crowding: float) -> np.ndarray:
    """Draw the number of detected electrons in each pixel, spread as the camera's software spreads them."""
    detected = camera.dqe0 * electrons
    if crowding and camera.coincidence_area:
        detected = detected * _apart(camera.coincidence_area * crowding * detected)
    return _spread(detected, poisson(detected, rng), camera)


def _apart(neighbours: np.ndarray) -> np.ndarray:
    """Return which share of electrons is counted, given how many others fall into the area of one of them.

    The area gives one count if one electron or more hits it: (1 - exp(-n)) of n, as in Li et al., J. Struct.
    Biol. 184 (2013) 251.
    """
    return np.asarray(-np.expm1(-neighbours) / np.maximum(neighbours, 1e-30))


def _integrated(
    electrons: np.ndarray, camera: Camera, rng: np.random.Generator, _crowding: float
) -> np.ndarray:
    """Draw the signal that the electrons leave in each pixel, and read it out."""
    counts = camera.gain * _spread(electrons, _weighed(poisson(electrons, rng), camera, rng), camera)
    electronic = float(np.hypot(camera.readout, camera.dark))
    if electronic:
        counts += electronic * rng.standard_normal(counts.shape, dtype=np.float32)
    return np.rint(counts) if camera.whole else counts


def _weighed(number: np.ndarray, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Return the sum of as many random weights of mean 1, whose variance lowers the DQE to dqe0.

    The energy that an electron leaves behind is spread out towards large losses (Landau's distribution);
    gamma-distributed weights are, and n of them sum up to a gamma-distributed number again.
    """
    variance = 1 / camera.dqe0 - 1
    return variance * rng.standard_gamma(number / variance) if variance else number


def _spread(mean: np.ndarray, drawn: np.ndarray, camera: Camera) -> np.ndarray:
    """Return numbers whose fluctuation around the mean has the camera's noise power spectrum.

    The mean went through the camera's MTF before; only the fluctuation is filtered.
    """
    if camera.ntf is None:
        return drawn
    import torch

    height, width = drawn.shape[-2:]
    fluctuation = torch.from_numpy((drawn - mean).astype(np.float32, copy=False))
    spectrum = torch.fft.rfft2(fluctuation) * _transfer(camera.noise, (height, width))
    return np.asarray(mean + torch.fft.irfft2(spectrum, s=(height, width)).numpy())


@lru_cache(maxsize=8)
def _transfer(curve: Curve, shape: tuple[int, int]) -> torch.Tensor:
    """Return a curve on the half plane of frequencies of a real image."""
    import torch

    rows = 2 * torch.fft.fftfreq(shape[0], dtype=torch.float64)
    columns = 2 * torch.fft.rfftfreq(shape[1], dtype=torch.float64)
    return curve(torch.hypot(rows[:, None], columns[None, :])).float()
