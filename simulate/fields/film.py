"""The amorphous film that particles lie on: its thickness, and the potential that makes it grainy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.fields.scattering import POTENTIAL, electron_factor
from simulate.ranges import Range, drawn, require_range

# S(k) by k [1/Å] of the network of `simulate.environments.amorphous_carbon`, of 4 films of 120 × 120 × 20 Å.
_STRUCTURE = np.array([
    (0, 0.01), (0.03, 0.03), (0.05, 0.08), (0.07, 0.13), (0.09, 0.19), (0.11, 0.24), (0.135, 0.29),
    (0.165, 0.41), (0.195, 0.54), (0.225, 0.72), (0.255, 0.90), (0.285, 1.01), (0.315, 1.08), (0.345, 1.10),
    (0.38, 0.98), (0.42, 0.85), (0.46, 0.73), (0.5, 0.65), (0.54, 0.60), (0.58, 0.57), (0.625, 0.61),
    (0.675, 0.70), (0.725, 0.92), (0.775, 1.21), (0.825, 1.52), (0.875, 1.60), (0.925, 1.39), (0.975, 1.11),
    (1.04, 0.85),
])  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Film:
    """A drawn film of amorphous carbon; its random maps follow from ``seed``.

    Parameters
    ----------
    thickness
        Mean [Å]; 0 is no film.
    density
        Atoms [1/Å³].
    roughness, correlation
        Standard deviation of the thickness [Å], and the length [Å] over which it is alike.
    slope
        (y, x) change of the mean thickness [Å/Å].
    """

    thickness: float
    density: float
    roughness: float
    correlation: float
    slope: tuple[float, float]
    seed: int

    def thickness_map(self, shape: tuple[int, int], pixel_size: float) -> Float[np.ndarray, "y x"]:
        """Return the thickness at each pixel [Å], the mean in the middle, never below 0."""
        y, x = ((np.arange(n) - n // 2) * pixel_size for n in shape)
        mean = self.thickness + self.slope[0] * y[:, None] + self.slope[1] * x
        square = _squared_frequencies(shape, pixel_size)
        # Gaussian correlation exp(-r² / 2c²); power at k is 2πc² exp(-2π²c²k²), per area of a pixel.
        power = 2 * np.pi * self.correlation**2 * np.exp(-2 * (np.pi * self.correlation) ** 2 * square)
        rough = _noise(np.sqrt(power) * self.roughness / pixel_size, shape, [self.seed, 0])
        return np.asarray(np.maximum(mean + rough, 0.0), dtype=np.float32)

    def potential_map(
        self, shape: tuple[int, int], pixel_size: float, highest: float
    ) -> Float[np.ndarray, "y x"]:
        """Return the grain of the projected potential [V Å] that atoms at random make, its mean taken off.

        Frequencies above ``highest`` [1/Å] are left out: what they scatter an objective aperture stops.

        Its power spectrum is n S(k) v(k)², n the atoms of an area, S the structure factor of the film's
        network and v the Fourier transform of an atom's projected potential.
        """
        k = np.sqrt(_squared_frequencies(shape, pixel_size))
        atoms = self.density * self.thickness
        amplitude = (
            POTENTIAL * electron_factor("C")(k) * np.sqrt(atoms * np.interp(k, *_STRUCTURE.T)) / pixel_size
        )
        return _noise(amplitude * (k <= highest), shape, [self.seed, 1])


def _squared_frequencies(shape: tuple[int, int], pixel_size: float) -> Float[np.ndarray, "y half"]:
    ky, kx = np.fft.fftfreq(shape[0], pixel_size), np.fft.rfftfreq(shape[1], pixel_size)
    return np.asarray(ky[:, None] ** 2 + kx**2)


def _noise(
    amplitude: Float[np.ndarray, "y half"], shape: tuple[int, int], seed: list[int]
) -> Float[np.ndarray, "y x"]:
    """Return white noise of variance 1 a pixel, filtered by an amplitude; its mean is 0."""
    from scipy.fft import irfft2, rfft2

    white = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    spectrum = rfft2(white) * amplitude.astype(np.float32)
    spectrum[0, 0] = 0.0
    return np.asarray(irfft2(spectrum, s=shape), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class CarbonFilm:
    """Films of amorphous carbon to draw from.

    Parameters
    ----------
    thickness
        [lowest, highest] [Å].
    density
        g/cm³.
    roughness
        [lowest, highest] standard deviation of the thickness [Å].
    correlation
        [lowest, highest] length over which the thickness is alike [Å].
    wedge
        [lowest, highest] share of its mean by which the thickness changes across the image.
    """

    thickness: Range = (50.0, 300.0)
    density: float = 2.0
    roughness: Range = (1.0, 4.0)
    correlation: Range = (20.0, 100.0)
    wedge: Range = (0.0, 0.3)

    def __post_init__(self) -> None:
        for name, unit in (("thickness", "Å"), ("roughness", "Å"), ("correlation", "Å"), ("wedge", "")):
            require_range(name, getattr(self, name), unit, low=0.0)
        if not self.density > 0:
            raise InputError(f"density of the film must be positive, got {self.density} g/cm³")

    def draw(self, side: float, rng: np.random.Generator) -> Film:
        """Draw a film under an image of an edge [Å]."""
        from ase.data import atomic_masses
        from scipy.constants import atomic_mass

        thickness = drawn(self.thickness, rng)
        change, towards = drawn(self.wedge, rng) * thickness / side, rng.uniform(0, 2 * np.pi)
        return Film(
            thickness=thickness,
            density=self.density * 1e-27 / (atomic_masses[6] * atomic_mass),
            roughness=drawn(self.roughness, rng),
            correlation=drawn(self.correlation, rng),
            slope=(float(change * np.sin(towards)), float(change * np.cos(towards))),
            seed=int(rng.integers(2**31)),
        )
