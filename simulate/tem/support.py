"""A film of carbon laid behind a stored wave when an image is drawn: each image has another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nanonet.records import InputError
from simulate.ranges import Range, drawn, require_range
from simulate.tem.carbon_grain import atoms_in_volume, potential_map
from simulate.tem.exit_wave import fast_size
from simulate.tem.hrtem import stored_waves, waves
from simulate.tem.optics import wavelength
from simulate.tem.scattering_factor import interaction

if TYPE_CHECKING:
    import torch

SLICE = 20.0
"""Thickness of film [Å] that is taken for one phase grating."""
DISPLACEMENT = 0.08
"""Thermal displacement of its atoms along one axis [Å]."""


@dataclass(frozen=True, kw_only=True)
class Support:
    """A drawn film; its grain follows from ``seed``.

    Parameters
    ----------
    thickness
        Å.
    density
        Atoms [1/Å³].
    gap
        From the particle's last atom to the film [Å].
    """

    thickness: float
    density: float
    gap: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class CarbonSupport:
    """Films of amorphous carbon to draw from.

    Parameters
    ----------
    chance
        Share of images that have one.
    thickness, gap
        [lowest, highest] [Å].
    density
        g/cm³.
    """

    chance: float = 0.5
    thickness: Range = (10.0, 60.0)
    density: float = 2.0
    gap: Range = (2.0, 3.0)

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise InputError(f"chance of a support must be a share of 0 to 1, got {self.chance}")
        require_range("thickness", self.thickness, "Å")
        require_range("gap", self.gap, "Å", low=0.0)
        if not self.density > 0:
            raise InputError(f"density of the support must be positive, got {self.density} g/cm³")

    def draw(self, rng: np.random.Generator) -> Support | None:
        """Draw a film, or that there is none."""
        if rng.uniform() >= self.chance:
            return None
        return Support(
            thickness=drawn(self.thickness, rng),
            density=atoms_in_volume(self.density),
            gap=drawn(self.gap, rng),
            seed=int(rng.integers(2**31)),
        )


def on_support(
    stored: Mapping[str, np.ndarray],
    side: float,
    support: Support,
    *,
    energy: float,
    depth: float,
    least_side: float = 0.0,
) -> tuple[dict[str, np.ndarray], float]:
    """Return the waves of a specimen (`simulate.tem.hrtem.HRTEM`) behind which a film lies, and their box.

    The wave travels from the focal plane through the gap, and through the film in slices of `SLICE`, each a
    phase grating of independent grain (the film's mean potential, which no image shows, is left out). That
    is multislice with a film that is random in place of one made of atoms.

    Parameters
    ----------
    side
        Edge of the box [Å].
    energy
        Beam energy [eV].
    depth
        From the focal plane to the particle's last atom [Å].
    least_side
        The box is widened to it [Å] by vacuum, the particle in its middle; the film fills it.

    Returns
    -------
    stored, side
        In the format of the shards, single precision.
    """
    import torch

    elastic, diffuse = waves(stored)
    sampling = side / elastic.shape[-1]
    wave = torch.cat([elastic[None], diffuse])
    if least_side > side:
        wave = _widened(wave, fast_size(least_side / sampling))
    points = wave.shape[-1]
    k = torch.fft.fftfreq(points, sampling, dtype=torch.float64)
    square = k[:, None] ** 2 + k**2
    kept = square < (0.5 / sampling) ** 2
    count = max(round(support.thickness / SLICE), 1)
    step = support.thickness / count
    forward = _propagator(square, energy, depth + support.gap + step / 2)
    between = _propagator(square, energy, step)
    travelled = depth + support.gap + step / 2
    wave = wave * forward
    for index in range(count):
        grain = potential_map(
            support.density * step,
            (points, points),
            sampling,
            1 / (3 * sampling),
            [support.seed, index],
            DISPLACEMENT,
        )
        phase = torch.from_numpy(interaction(energy) * grain).float()
        wave = torch.fft.fft2(torch.fft.ifft2(wave) * torch.polar(torch.ones_like(phase), phase))
        if index + 1 < count:
            wave, travelled = wave * between, travelled + step
    wave = wave * _propagator(square, energy, -travelled) * kept
    return stored_waves(wave[0], wave[1:]), points * sampling


def _widened(wave: torch.Tensor, points: int) -> torch.Tensor:
    """Return transforms (1 + d, y, x) in a box of more points, the old one in its middle, vacuum around."""
    import torch

    old = wave.shape[-1]
    scattered = wave.clone()
    scattered[0, 0, 0] -= old**2
    before = (points - old) // 2
    after = points - old - before
    wide = torch.nn.functional.pad(torch.fft.ifft2(scattered), (before, after, before, after))
    found: torch.Tensor = torch.fft.fft2(wide)
    found[0, 0, 0] += points**2
    return found


def _propagator(square: torch.Tensor, energy: float, distance: float) -> torch.Tensor:
    """Return exp(-iπλk²z), what free space does over a distance [Å] (Kirkland, 3rd ed., eq. 6.67)."""
    import torch

    turns = -0.5 * wavelength(energy) * distance * square
    phase = (2 * torch.pi * (turns - turns.round())).float()
    return torch.polar(torch.ones_like(phase), phase)
