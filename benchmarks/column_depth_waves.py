"""HRTEM without shortcuts: every phonon configuration its own multislice, partial coherence as a direct sum.

Training images are made from an exact mean wave, one diffuse wave and three coherent modes. Nothing of that
is used here: an image is the mean of |T ψ|² over phonon configurations and, for each, over foci and
illumination angles from a Sobol sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Complex64, Float, Float16, Float32

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms

    from simulate.tem.optics import Optics

SCALE = 1024.0
"""Of stored spectra: half precision then holds 1e-7 of the direct beam."""


@dataclass(frozen=True, kw_only=True)
class Fineness:
    """How finely images are calculated.

    Parameters
    ----------
    configurations
        Of frozen phonons, each with displaced atoms and a multislice of its own.
    nodes
        Foci with illumination angles that each configuration is seen at.
    sampling, slice_thickness
        Of the multislice [Å]; training has 0.1 and 2 Å.
    stored_sampling
        Of the exit waves [Å]: they hold what lies below 1 / (2 stored_sampling).
    """

    configurations: int = 24
    nodes: int = 32
    sampling: float = 0.075
    slice_thickness: float = 1.0
    stored_sampling: float = 0.15


def exit_waves(
    atoms: Atoms, displacements: Mapping[str, float], fineness: Fineness, seed: Sequence[int]
) -> Complex64[np.ndarray, "configuration y x"]:
    """Return the Fourier transforms of the exit waves of atoms in their box, one a configuration.

    Parameters
    ----------
    displacements
        Root mean square displacement along one axis by element [Å].
    seed
        Configuration i is drawn from [*seed, i].
    """
    from simulate.tem.exit_wave import Multislice, fast_size, phonon_wave

    multislice = Multislice(sampling=fineness.sampling, slice_thickness=fineness.slice_thickness)
    points = fast_size(float(atoms.cell[0, 0]) / fineness.stored_sampling)
    waves = [
        phonon_wave(atoms, multislice, displacements, points, (*seed, index))
        for index in range(fineness.configurations)
    ]
    return np.stack(waves)


def packed(spectra: Complex64[np.ndarray, "*n"]) -> Float16[np.ndarray, "*n 2"]:
    """Return spectra in half precision, real and imaginary parts along a last axis."""
    parts = np.ascontiguousarray(SCALE * spectra).astype(np.complex64).view(np.float32)
    return parts.reshape(*spectra.shape, 2).astype(np.float16)


def unpacked(stored: Float16[np.ndarray, "*n 2"]) -> Complex64[np.ndarray, "*n"]:
    """Return what `packed` was given."""
    parts = np.ascontiguousarray(stored.astype(np.float32) / np.float32(SCALE))
    return parts.view(np.complex64)[..., 0]


def sobol_nodes(configurations: int, nodes: int, seed: int) -> Float[np.ndarray, "configuration node 3"]:
    """Return standard normal deviates of focus, tilt along y and tilt along x.

    One Sobol sequence, a block of which to each configuration: points in a row cover the distribution evenly,
    where every 2^n-th of them would lie in one part of it.
    """
    from scipy.stats import norm, qmc

    count = configurations * nodes
    uniform = qmc.Sobol(3, seed=seed).random(1 << (count - 1).bit_length())[:count]
    deviates = norm.ppf(np.clip(uniform, 1e-6, 1 - 1e-6))
    return np.asarray(deviates.reshape(configurations, nodes, 3))


def direct_image(
    spectra: Complex64[np.ndarray, "configuration y x"],
    side: float,
    optics: Optics,
    nodes: Float[np.ndarray, "configuration node 3"],
) -> Float32[np.ndarray, "y x"]:
    """Return the image of exit waves on their own periodic grid; vacuum is 1.

    The beam of an illumination angle t passes the lens at α + t: χ is that of Kirkland, 3rd ed., eq. 2.22,
    with the signs of docs/conventions.md, in double precision.

    Parameters
    ----------
    side
        Edge of the box [Å].
    nodes
        From `sobol_nodes`, in standard deviations of ``optics``' focal and angular spread.
    """
    import scipy.fft

    from simulate.tem.optics import wavelength

    length, points = wavelength(optics.energy), spectra.shape[-1]
    angles = length * np.fft.fftfreq(points, side / points)
    total = np.zeros((points, points))
    for spectrum, own in zip(spectra, nodes, strict=True):
        for focus, tilt_y, tilt_x in own:
            ay = (angles + 1e-3 * float(optics.angular_spread) * tilt_y)[:, None]
            ax = (angles + 1e-3 * float(optics.angular_spread) * tilt_x)[None, :]
            turns = _path(optics, float(optics.focal_spread) * focus, ay, ax) / length
            phase = (-2 * np.pi * (turns - np.rint(turns))).astype(np.float32)
            seen = spectrum * (np.cos(phase) + 1j * np.sin(phase))
            wave = scipy.fft.ifft2(seen, norm="forward")
            total += wave.real**2 + wave.imag**2
    return np.asarray(total / (nodes.shape[0] * nodes.shape[1]), dtype=np.float32)


def _path(optics: Optics, focus: float, ay: np.ndarray, ax: np.ndarray) -> np.ndarray:
    """Return χ λ / 2π [Å] at angles (ay, ax) [rad], ``focus`` [Å] farther under focus."""
    square = ay**2 + ax**2
    path = -0.5 * (float(optics.defocus) + focus) * square
    path = path + 0.25 * float(optics.Cs) * square**2 + float(optics.C5) / 6 * square**3
    turned = 2 * float(optics.astigmatism_angle)
    fold = np.cos(turned) * (ax**2 - ay**2) + 2 * np.sin(turned) * ax * ay
    path = path + 0.5 * float(optics.astigmatism) * fold
    along = np.cos(float(optics.coma_angle)) * ax + np.sin(float(optics.coma_angle)) * ay
    return np.asarray(path + float(optics.coma) / 3 * square * along)
