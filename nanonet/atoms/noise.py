"""The power spectrum of a map's noise: from outside of the particle, from half maps, or from a residual."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import fft, ndimage

from nanonet.atoms.coverage import EVERYWHERE, Coverage, cell_of, coverage_of

_SMOOTH = 12.0
"""Å: what varies more slowly is background, and says nothing of atoms."""
_BAND = (0.2, 0.8)
"""1/Å: where lattices of atoms have their strongest waves."""
_EMPTY = 0.02
"""Of the power in the band, below which a shell was filtered out of the map."""


@dataclass(frozen=True, kw_only=True)
class NoiseSpectrum:
    """Power S [intensity² · Å³] over spatial frequency k [1/Å], the same in all measured directions.

    White noise of variance σ² in voxels of volume v has S = σ² v.

    Parameters
    ----------
    frequency, power
        (m,) rising, and S there.
    highest
        Beyond this frequency [1/Å] nothing of the map is used: there is nothing in it.
    coverage
        The directions that were measured; of others nothing is used.
    """

    frequency: Float[np.ndarray, " m"]
    power: Float[np.ndarray, " m"]
    highest: float
    coverage: Coverage = EVERYWHERE

    def weight(self, k: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Return 1 / S at frequencies [1/Å]; waves longer than the background's count less and less."""
        inverse = 1 / np.interp(k, self.frequency, self.power)
        return np.asarray(np.where(k <= self.highest, inverse * -np.expm1(-((k * _SMOOTH) ** 4)), 0.0))

    def with_at_least(self, other: NoiseSpectrum) -> NoiseSpectrum:
        """Return the larger of two spectra at each frequency, over the wider band."""
        power = np.maximum(self.power, np.interp(self.frequency, other.frequency, other.power))
        return replace(self, power=power, highest=max(self.highest, other.highest))


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The Fourier grid of a map: its shape (z, y, x) with the padding that keeps its faces apart."""

    shape: tuple[int, int, int]
    voxel_size: float
    margin: float = 3.0

    @cached_property
    def padded(self) -> tuple[int, ...]:
        """Shape of the transformed array; without a margin that of the map, as any zero would smear waves."""
        if not self.margin:
            return self.shape
        extra = int(np.ceil(self.margin / self.voxel_size))
        return tuple(fft.next_fast_len(n + extra, real=True) for n in self.shape)

    @cached_property
    def cells(self) -> Int[np.ndarray, "z y h"]:
        """Cell of the half sphere of directions that each coefficient's wave vector points into."""
        z, y = (np.fft.fftfreq(n, self.voxel_size).astype(np.float32) for n in self.padded[:2])
        x = np.fft.rfftfreq(self.padded[2], self.voxel_size).astype(np.float32)
        return cell_of(x, y[:, None], z[:, None, None])

    @cached_property
    def frequency(self) -> Float[np.ndarray, "z y h"]:
        """Length of the wave vector [1/Å] of each coefficient."""
        along = [np.fft.fftfreq(n, self.voxel_size).astype(np.float32) for n in self.padded[:2]]
        half = np.fft.rfftfreq(self.padded[2], self.voxel_size).astype(np.float32)
        square = along[0][:, None, None] ** 2 + along[1][:, None] ** 2 + half**2
        return np.asarray(np.sqrt(square))

    def transform(self, density: Float[np.ndarray, "z y x"]) -> np.ndarray:
        """Return the Fourier coefficients of a map, zero beyond its faces."""
        return np.asarray(fft.rfftn(density.astype(np.float32), self.padded))

    def back(self, coefficients: np.ndarray) -> Float[np.ndarray, "z y x"]:
        """Return the map of Fourier coefficients."""
        whole = fft.irfftn(coefficients, self.padded)
        return np.asarray(whole[tuple(slice(n) for n in self.shape)])

    def weights(self, noise: NoiseSpectrum) -> Float[np.ndarray, "z y h"]:
        """Return 1 / S at each coefficient."""
        fine = np.linspace(0, float(self.frequency.max()), 4096)
        table = noise.weight(fine).astype(np.float32)
        index = self.frequency * np.float32(len(fine) / (fine[-1] * (1 + 1e-6)))
        weights = table[index.astype(np.int32)]
        return weights if noise.coverage is EVERYWHERE else weights * noise.coverage.measured[self.cells]


def spectrum(
    density: Float[np.ndarray, "z y x"],
    voxel_size: float,
    window: Float[np.ndarray, "z y x"] | None = None,
    coverage: Coverage = EVERYWHERE,
) -> NoiseSpectrum:
    """Return the power spectrum of a map, where it is noise only.

    Parameters
    ----------
    window
        How much each voxel counts, all alike without it; without steps, so that it adds no waves.
    coverage
        The directions that were measured.
    """
    shape = (density.shape[0], density.shape[1], density.shape[2])
    grid = Grid(shape=shape, voxel_size=voxel_size, margin=0.0)
    window = np.ones(shape, np.float32) if window is None else window
    mean = float((density * window).sum() / window.sum())
    power = np.abs(grid.transform((density - mean) * window)) ** 2
    power *= voxel_size**3 / float((window**2).sum())
    step = 1 / (min(shape) * voxel_size)
    shell = np.rint(grid.frequency / step).astype(np.int32).ravel()
    power = power.ravel()
    if coverage is not EVERYWHERE:
        measured = coverage.measured[grid.cells].ravel()
        shell, power = shell[measured], power[measured]
    nyquist = 0.5 / voxel_size
    count = int(nyquist / step) + 1
    # Each coefficient of a half transform stands for two, but for those of its first plane: no matter here.
    sums = np.bincount(shell, power, minlength=count)[:count]
    numbers = np.bincount(shell, minlength=count)[:count]
    means = sums / np.maximum(numbers, 1)
    means[0] = means[1]
    return replace(_banded(np.arange(count) * step, means, nyquist), coverage=coverage)


def coverage(density: Float[np.ndarray, "z y x"], voxel_size: float) -> Coverage:
    """Return the directions in which a map has any waves as short as between atoms."""
    shape = (density.shape[0], density.shape[1], density.shape[2])
    grid = Grid(shape=shape, voxel_size=voxel_size, margin=0.0)
    band = (grid.frequency > _BAND[0]) & (grid.frequency < _BAND[1])
    power = np.abs(grid.transform(density - float(density.mean()))[band]) ** 2
    return coverage_of(power, grid.cells[band])


def _banded(frequency: np.ndarray, power: np.ndarray, nyquist: float) -> NoiseSpectrum:
    middle = (frequency >= _BAND[0]) & (frequency <= _BAND[1])
    level = float(np.median(power[middle] if middle.any() else power))
    level = max(level, float(power.max()) * 1e-12, 1e-30)
    full = np.flatnonzero(power > _EMPTY * level)
    highest = min(nyquist, float(frequency[full[-1]])) if len(full) else nyquist
    return NoiseSpectrum(frequency=frequency, power=np.maximum(power, _EMPTY * level), highest=highest)


def softened(where: Bool[np.ndarray, "z y x"], voxel_size: float) -> Float[np.ndarray, "z y x"]:
    """Return a window of a region wider than a few Å that falls to 0 within its edge."""
    soft = ndimage.gaussian_filter(where.astype(np.float32), 1.0 / voxel_size, mode="nearest")
    return np.asarray(np.where(where, np.clip(2 * soft - 1, 0, 1), 0).astype(np.float32))


def half_map_noise(
    first: Float[np.ndarray, "z y x"],
    second: Float[np.ndarray, "z y x"],
    density: Float[np.ndarray, "z y x"],
    voxel_size: float,
    coverage: Coverage = EVERYWHERE,
) -> NoiseSpectrum:
    """Return the noise of a map by what its two independent halves differ in.

    The map may be scaled against the mean of its halves; it must not be filtered otherwise.
    """
    mean = (first + second) / 2
    scale = float((density * mean).sum() / max(float((mean**2).sum()), 1e-30))
    return spectrum((first - second) * (scale / 2), voxel_size, coverage=coverage)


def particle_mask(density: Float[np.ndarray, "z y x"], voxel_size: float) -> Bool[np.ndarray, "z y x"]:
    """Return where there are atoms: where waves as short as between atoms are stronger than elsewhere (Otsu).

    The power between 0.2 and 0.8 per Å, smoothed over 2 Å, is told apart on a logarithmic scale.
    """
    from skimage.filters import threshold_otsu

    shape = (density.shape[0], density.shape[1], density.shape[2])
    grid = Grid(shape=shape, voxel_size=voxel_size)
    passed = (grid.frequency > _BAND[0]) & (grid.frequency < _BAND[1])
    waves = grid.back(grid.transform(density - float(density.mean())) * passed)
    power = ndimage.gaussian_filter(waves**2, 2.0 / voxel_size)
    scale = np.log(np.maximum(power, float(power.max()) * 1e-6))
    return np.asarray(scale > threshold_otsu(scale))
