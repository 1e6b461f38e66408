"""The grain of amorphous carbon: the projected potential of a network whose atoms lie at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from simulate.tem.scattering_factor import POTENTIAL, electron_factor

# S(k) by k [1/Å] of the network of `simulate.environments.amorphous_carbon`, of 4 films of 120 × 120 × 20 Å.
_STRUCTURE = np.array([
    (0, 0.01), (0.03, 0.03), (0.05, 0.08), (0.07, 0.13), (0.09, 0.19), (0.11, 0.24), (0.135, 0.29),
    (0.165, 0.41), (0.195, 0.54), (0.225, 0.72), (0.255, 0.90), (0.285, 1.01), (0.315, 1.08), (0.345, 1.10),
    (0.38, 0.98), (0.42, 0.85), (0.46, 0.73), (0.5, 0.65), (0.54, 0.60), (0.58, 0.57), (0.625, 0.61),
    (0.675, 0.70), (0.725, 0.92), (0.775, 1.21), (0.825, 1.52), (0.875, 1.60), (0.925, 1.39), (0.975, 1.11),
    (1.04, 0.85),
])  # fmt: skip


def atoms_in_volume(density: float) -> float:
    """Return the atoms of carbon [1/Å³] of a density [g/cm³]."""
    from ase.data import atomic_masses
    from scipy.constants import atomic_mass

    return float(density * 1e-27 / (atomic_masses[6] * atomic_mass))


def potential_map(
    atoms: float,
    shape: tuple[int, int],
    pixel_size: float,
    highest: float,
    seed: Sequence[int],
    displacement: float = 0.0,
) -> Float[np.ndarray, "y x"]:
    """Return the grain of the projected potential [V Å] that a film makes, its mean taken off; periodic.

    Its power spectrum is n S(k) v(k)², n the atoms of an area, S the structure factor of the film's network
    and v the Fourier transform of an atom's projected potential.

    Parameters
    ----------
    atoms
        n [1/Å²].
    shape, pixel_size
        Of the map; Å.
    highest
        Frequency [1/Å] above which all is left out.
    seed
        The map follows from it.
    displacement
        Thermal displacement along one axis [Å], of which the mean potential is returned.
    """
    square = squared_frequencies(shape, pixel_size)
    k = np.sqrt(square)
    power = atoms * np.interp(k, *_STRUCTURE.T)
    amplitude = POTENTIAL * electron_factor("C")(k) * np.sqrt(power) / pixel_size
    amplitude *= np.exp(-2 * (np.pi * displacement) ** 2 * square) * (k <= highest)
    return noise(amplitude, shape, seed)


def squared_frequencies(shape: tuple[int, int], pixel_size: float) -> Float[np.ndarray, "y half"]:
    """Return k² [1/Å²] on the grid of scipy.fft.rfft2."""
    ky, kx = np.fft.fftfreq(shape[0], pixel_size), np.fft.rfftfreq(shape[1], pixel_size)
    return np.asarray(ky[:, None] ** 2 + kx**2)


def noise(
    amplitude: Float[np.ndarray, "y half"], shape: tuple[int, int], seed: Sequence[int]
) -> Float[np.ndarray, "y x"]:
    """Return white noise of variance 1 a pixel, filtered by an amplitude; its mean is 0."""
    from scipy.fft import irfft2, rfft2

    white = np.random.default_rng(list(seed)).standard_normal(shape, dtype=np.float32)
    spectrum = rfft2(white) * amplitude.astype(np.float32)
    spectrum[0, 0] = 0.0
    return np.asarray(irfft2(spectrum, s=shape), dtype=np.float32)
