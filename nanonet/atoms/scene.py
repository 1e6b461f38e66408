"""A map in which atoms are sought, with its noise: what search and fit share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from nanonet.atoms.coverage import EVERYWHERE
from nanonet.atoms.gaussian_atoms import GaussianAtoms, draw
from nanonet.atoms.noise import Grid, NoiseSpectrum


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A map, its background taken off, and the spectrum of its noise.

    Parameters
    ----------
    density
        (z, y, x) intensities.
    voxel_size
        Å.
    noise_shown
        Whether the noise was seen by itself, outside of the particle or in half maps; else only what atoms
        leave of the map tells it.
    """

    density: Float[np.ndarray, "z y x"]
    voxel_size: float
    noise: NoiseSpectrum
    noise_shown: bool = True

    @cached_property
    def grid(self) -> Grid:
        """The Fourier grid."""
        z, y, x = self.density.shape
        return Grid(shape=(z, y, x), voxel_size=self.voxel_size)

    @cached_property
    def weights(self) -> Float[np.ndarray, "z y h"]:
        """1 / S of each Fourier coefficient."""
        return self.grid.weights(self.noise)

    def seen(self, simulated: Float[np.ndarray, "z y x"]) -> Float[np.ndarray, "z y x"]:
        """Return a simulated map as the directions that were measured show it."""
        coverage = self.noise.coverage
        if coverage is EVERYWHERE:
            return simulated
        return self.grid.back(self.grid.transform(simulated) * coverage.measured[self.grid.cells])

    def residual(self, atoms: GaussianAtoms) -> Float[np.ndarray, "z y x"]:
        """Return the map without these atoms."""
        return np.asarray(self.density - draw(atoms, self.grid.shape, self.voxel_size))

    def weighed(self, residual: Float[np.ndarray, "z y x"]) -> Float[np.ndarray, "z y x"]:
        """Return a residual divided by the noise's power spectrum: what every derivative is held against."""
        return self.grid.back(self.grid.transform(residual) * self.weights)

    def scores(self, residual: Float[np.ndarray, "z y x"], u_iso: float) -> Float[np.ndarray, "z y x"]:
        """Return the matched filter: at each voxel, by how many deviations an atom of U there is seen.

        Of noise alone it has mean 0 and variance 1 (North, Proc. IEEE 51 (1963) 1016).
        """
        bell = np.exp(-2 * np.pi**2 * u_iso * self.grid.frequency**2)
        field = self.grid.back(self.grid.transform(residual) * (self.weights * bell))
        return np.asarray(field / np.sqrt(template_information(self.noise, u_iso)))


def template_information(noise: NoiseSpectrum, u_iso: float) -> float:
    """Return the information of the weight of an atom of U [Å²], its position known: ∫ ĝ² / S d³k."""
    k = np.linspace(0, noise.highest, 2000)
    values = 4 * np.pi * k**2 * noise.weight(k) * np.exp(-4 * np.pi**2 * u_iso * k**2)
    return float(np.trapezoid(values, k)) * noise.coverage.share


def template_width(noise: NoiseSpectrum, u_iso: float) -> float:
    """Return λ [1/Å²]: the variance of the score's slope along a direction, the geometric mean of three."""
    k = np.linspace(0, noise.highest, 2000)
    values = k**2 * noise.weight(k) * np.exp(-4 * np.pi**2 * u_iso * k**2)
    uneven = float(np.linalg.det(noise.coverage.stretch) ** (2 / 3))
    return uneven * float((2 * np.pi) ** 2 / 3 * np.trapezoid(values * k**2, k) / np.trapezoid(values, k))


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """Local maxima of a score: positions (n, 3) as (x, y, z) in Å, scores (n,), highest first."""

    positions: Float[np.ndarray, "n 3"]
    scores: Float[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.scores)


def peaks_of(scores: Float[np.ndarray, "z y x"], voxel_size: float, *, lowest: float) -> Peaks:
    """Return the local maxima (of 26 neighbours) above ``lowest``, placed between voxels by parabolas."""
    highest = ndimage.maximum_filter(scores, size=3, mode="constant", cval=-np.inf)
    at = np.argwhere((scores == highest) & (scores > lowest))
    if not len(at):
        return Peaks(positions=np.zeros((0, 3)), scores=np.zeros(0))
    shape = np.array(scores.shape)
    middle = scores[tuple(at.T)].astype(float)
    places, gain = at.astype(float), np.zeros(len(at))
    for axis in range(3):
        step = np.zeros(3, dtype=int)
        step[axis] = 1
        before = scores[tuple(np.maximum(at - step, 0).T)].astype(float)
        after = scores[tuple(np.minimum(at + step, shape - 1).T)].astype(float)
        bend = np.minimum(before + after - 2 * middle, -1e-9)
        shift = np.clip(-(after - before) / (2 * bend), -0.5, 0.5)
        places[:, axis] += shift
        gain += -0.5 * bend * shift**2
    order = np.argsort(-(middle + gain), kind="stable")
    return Peaks(positions=places[order, ::-1] * voxel_size, scores=(middle + gain)[order])


def values_at(
    field: Float[np.ndarray, "z y x"] | Bool[np.ndarray, "z y x"],
    positions: Float[np.ndarray, "n 3"],
    voxel_size: float,
) -> np.ndarray:
    """Return a field at the voxels nearest to positions (x, y, z) [Å]."""
    index = np.rint(positions / voxel_size).astype(int)[:, ::-1]
    return np.asarray(field[tuple(np.clip(index, 0, np.array(field.shape) - 1).T)])
