"""Plane waves of all directions of a cone through a crystal, plane by plane. In torch.

All waves of a phonon configuration meet the same displaced atoms, so that a plane's transmission is
calculated once for all of them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from simulate.crystals import Crystal
from simulate.stem.atom import PARAMETRIZATION
from simulate.stem.cross_sections import MISTILTS, RINGS, TILTS
from simulate.stem.planes import Planes
from simulate.tem.optics import wavelength

if TYPE_CHECKING:
    import torch

FINER = 2.5
"""Points along an axis of the grid that potentials are exponentiated on, for each of the waves' grid."""


class PlaneWaves:
    """Grid, scattering factors, propagators of one crystal; all waves of a phonon configuration at once."""

    def __init__(self, planes: Planes, material: Crystal, energy: float, outer: float) -> None:
        import torch
        from abtem.core.energy import energy2sigma
        from abtem.parametrizations import validate_parametrization

        self.planes = planes
        self.side = np.diag(planes.atoms.cell.array)[:2][::-1]
        self.wavelength = wavelength(energy)
        self.sigma = float(energy2sigma(energy))
        # The transmission function doubles the band, so a third of the grid is lost (Kirkland, 3rd ed., 6.8).
        limit = 1e-3 * outer / self.wavelength
        self.shape = tuple(_fast(3 * limit * length) for length in self.side)
        self.k = [np.fft.fftfreq(n, d / n) for n, d in zip(self.shape, self.side, strict=True)]
        square = self.k[0][:, None] ** 2 + self.k[1] ** 2
        self.square = torch.from_numpy(square)
        self.kept = torch.from_numpy(square <= limit**2)
        symbols = sorted(set(planes.atoms.get_chemical_symbols()))
        self.fine = tuple(_fast(FINER * n) for n in self.shape)
        self.fine_k = [np.fft.fftfreq(n, d / n) for n, d in zip(self.fine, self.side, strict=True)]
        self.fine_k[1] = self.fine_k[1][: self.fine[1] // 2 + 1]  # the potential is real
        self.half = (self.fine[0], self.fine[1] // 2 + 1)
        square = self.fine_k[0][:, None] ** 2 + self.fine_k[1] ** 2
        scale = np.prod(self.fine) / np.prod(self.side)
        lobato = validate_parametrization(PARAMETRIZATION)
        self.factors = {
            s: torch.from_numpy((scale * lobato.projected_scattering_factor(s)(square)).astype(np.float32))
            for s in symbols
        }
        self.displacements = np.array(
            [material.thermal_displacements[s] for s in planes.atoms.get_chemical_symbols()]
        )
        self.rings = self._rings()

    def _rings(self) -> torch.Tensor:
        """Return which pixels of reciprocal space (rows) are of which ring of the detector (columns)."""
        import torch

        angle = 1e3 * self.wavelength * self.square.sqrt()
        which = torch.bucketize(angle, torch.tensor(RINGS, dtype=torch.float64), right=True) - 1
        inside = (which >= 0) & (which < len(RINGS) - 1)
        which = torch.where(inside, which, len(RINGS) - 1)
        return torch.nn.functional.one_hot(which.flatten(), len(RINGS))[:, :-1].float()

    def run(self, depths: int, rng: np.random.Generator) -> Float[np.ndarray, "mistilt tilt depth ring"]:
        """Return the share of the beam that each ring has behind 1, 2, ... atoms, of one configuration."""
        import torch

        waves, tilts = self._waves(rng)
        gaps = self.planes.gaps
        propagators = [self._propagators(gap, tilts) for gap in np.unique(np.round(gaps, 3))]
        which = np.unique(np.round(gaps, 3), return_inverse=True)[1]
        found = []
        for index in range(depths * self.planes.per_atom):
            plane = index % len(gaps)
            waves *= self._transmission(plane, rng)
            waves = torch.fft.fft2(waves, norm="ortho")
            if (index + 1) % self.planes.per_atom == 0:
                power = waves.real**2 + waves.imag**2
                found.append(power.flatten(1) @ self.rings / np.prod(self.shape))
            waves = torch.fft.ifft2(waves * propagators[which[plane]], norm="ortho")
        signal = torch.stack(found, dim=1).numpy()
        return np.asarray(signal.reshape(len(MISTILTS), len(TILTS) - 1, depths, len(RINGS) - 1))

    def _waves(self, rng: np.random.Generator) -> tuple[torch.Tensor, Float[np.ndarray, "wave 2"]]:
        """Return plane waves, one for each mistilt and ring of directions, and their mistilts [rad]."""
        import torch

        angle = 1e3 * self.wavelength * self.square.sqrt().numpy()
        waves, tilts = [], []
        for mistilt in MISTILTS:
            for low, high in pairwise(TILTS):
                choices = np.argwhere((angle >= low) & (angle < high))
                place = choices[rng.integers(len(choices))]
                y, x = (
                    np.exp(2j * np.pi * i * np.arange(n) / n) for i, n in zip(place, self.shape, strict=True)
                )
                waves.append(np.outer(y, x).astype(np.complex64))
                azimuth = rng.uniform(0, 2 * np.pi)
                tilts.append(np.radians(mistilt) * np.array([np.sin(azimuth), np.cos(azimuth)]))
        return torch.from_numpy(np.stack(waves)), np.array(tilts)

    def _propagators(self, gap: float, tilts: Float[np.ndarray, "wave 2"]) -> torch.Tensor:
        """Return exp(-iπλz(k² + 2 k·k₀)) for beams that are tilted by λk₀ against the planes."""
        import torch

        along = np.tan(tilts) @ np.array(
            [self.k[0][:, None] + 0 * self.k[1], 0 * self.k[0][:, None] + self.k[1]]
        ).reshape(2, -1)
        phase = -np.pi * gap * (self.wavelength * self.square.numpy() + 2 * along.reshape(-1, *self.shape))
        return torch.from_numpy(np.where(self.kept, np.exp(1j * phase), 0).astype(np.complex64))

    def _transmission(self, plane: int, rng: np.random.Generator) -> torch.Tensor:
        """Return exp(iσV) of a plane whose atoms are displaced, within the band.

        The exponential is taken on a finer grid: of a potential that is cut at the band of the wave, gold
        scatters 5 % too much at 50 mrad and 30 % too much at 150 mrad.
        """
        import torch

        atoms, total = self.planes.atoms, torch.zeros(self.half, dtype=torch.complex64)
        moved = atoms.positions + self.displacements[:, None] * rng.standard_normal((len(atoms), 3))
        symbols = np.array(atoms.get_chemical_symbols())
        for symbol, factor in self.factors.items():
            chosen = moved[(self.planes.plane == plane) & (symbols == symbol)]
            y, x = (
                torch.from_numpy(np.exp(-2j * np.pi * np.outer(k, chosen[:, axis])).astype(np.complex64))
                for k, axis in zip(self.fine_k, (1, 0), strict=True)
            )
            total = total + factor * (y @ x.T)
        potential = torch.fft.irfft2(total, s=self.fine)
        transmission = torch.polar(torch.ones_like(potential), self.sigma * potential)
        rows, columns = (
            torch.from_numpy(np.fft.fftfreq(n, 1 / n).astype(int) % m)
            for n, m in zip(self.shape, self.fine, strict=True)
        )
        cropped = torch.fft.fft(torch.fft.fft(transmission, dim=1)[:, columns], dim=0)[rows]
        scale = np.prod(self.shape) / np.prod(self.fine)
        banded: torch.Tensor = torch.fft.ifft2(cropped * self.kept * scale)
        return banded


def _fast(least: float) -> int:
    """Return the smallest even size that transforms fast and is not below ``least``."""
    from scipy.fft import next_fast_len

    size = int(np.ceil(least))
    while next_fast_len(size) != size or size % 2:
        size += 1
    return size
