"""The objective lens: aberrations, and what its spreads do to the phase. In torch.

Signs are those of docs/conventions.md: the transfer function is exp(-iχ), defocus is positive for
underfocus (C10 = -defocus). All functions take a batch of settings as well as one, and are differentiable
in the settings and in the waves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nanonet.records import InputError

if TYPE_CHECKING:
    import torch

    Value = float | torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Optics:
    """One setting of the objective lens, or a batch of them: then some fields are tensors (b,).

    Parameters
    ----------
    energy
        Beam energy [eV].
    defocus
        Å, positive = underfocus = -C10.
    Cs
        Third order spherical aberration C30 [Å].
    C5
        Fifth order spherical aberration C50 [Å].
    astigmatism, astigmatism_angle
        Twofold astigmatism C12 [Å] and its direction [rad], from x towards y.
    coma, coma_angle
        Axial coma C21 [Å] and its direction [rad].
    focal_spread
        Standard deviation of the defocus by chromatic aberration and instabilities [Å] (the 1/e
        half-width that other programs ask for is sqrt(2) times this).
    angular_spread
        Standard deviation along one axis of the angles of illumination [mrad].
    aperture
        Semi-angle of the objective aperture [mrad]; None for none.
    """

    energy: float
    defocus: Value = 0.0
    Cs: Value = 0.0
    C5: Value = 0.0
    astigmatism: Value = 0.0
    astigmatism_angle: Value = 0.0
    coma: Value = 0.0
    coma_angle: Value = 0.0
    focal_spread: Value = 0.0
    angular_spread: Value = 0.0
    aperture: float | None = None

    @property
    def is_coherent(self) -> bool:
        """Whether neither focus nor illumination spreads."""
        return not (_is_set(self.focal_spread) or _is_set(self.angular_spread))


def wavelength(energy: float) -> float:
    """Return the relativistic wavelength [Å] of electrons of an energy [eV]: h c / sqrt(E (2 m c² + E))."""
    from scipy import constants

    if not energy > 0:
        raise InputError(f"energy must be positive, got {energy} eV")
    rest = constants.m_e * constants.c**2 / constants.e
    return float(1e10 * constants.h * constants.c / constants.e / np.sqrt(energy * (2 * rest + energy)))


def transfer_function(
    optics: Optics, shape: tuple[int, int], sampling: float, *, device: torch.device | None = None
) -> torch.Tensor:
    """Return exp(-iχ), times the aperture, on an FFT's grid: the lens for a coherent beam.

    Parameters
    ----------
    shape
        (y, x) of the grid.
    sampling
        Of the grid in real space [Å].
    device
        Where it is calculated; None for the CPU.

    Returns
    -------
    transfer
        complex64 (y, x), or (b, y, x) for a batch of settings.
    """
    import torch

    ay, ax = (wavelength(optics.energy) * k for k in _frequencies(shape, sampling, device))
    # χ reaches thousands of rad, so it is reduced in double precision before its sine is taken.
    turns = aberration_phase(optics, ay, ax) / (-2 * torch.pi)
    phase = (2 * torch.pi * (turns - turns.round())).float()
    amplitude = torch.ones_like(phase)
    if optics.aperture is not None:
        amplitude = amplitude * ((ax**2 + ay**2) <= (1e-3 * optics.aperture) ** 2)
    return torch.polar(amplitude, phase)


def random_phases(
    optics: Optics, shape: tuple[int, int], sampling: float, *, device: torch.device | None = None
) -> torch.Tensor:
    """Return what the phase changes by for one standard deviation of defocus, tilt along y, tilt along x.

    Returns
    -------
    features
        rad, float32 (3, y, x), or (b, 3, y, x); see `simulate.tem.coherence`.
    """
    import torch

    # Single precision will do: these phases reach some tens of rad.
    ay, ax = ((wavelength(optics.energy) * k).float() for k in _frequencies(shape, sampling, device))
    scale = 2 * torch.pi / wavelength(optics.energy)
    focal = (0.5 * scale * _grid(optics.focal_spread)).float() * (ax**2 + ay**2)
    tilt = (1e-3 * scale * _grid(optics.angular_spread)).float()
    gy, gx = _slopes(optics, ay, ax)
    parts = (focal, tilt * gy, tilt * gx)
    like = parts[0] + parts[2]  # a batch may be in any of them
    return torch.stack([part.float().expand(like.shape) for part in parts], dim=-3)


def smear(optics: Optics, weights: torch.Tensor, sampling: float) -> torch.Tensor:
    """Return by how much the spreads displace beams on average: standard deviation along one axis [Å].

    A beam lands at the gradient of its phase over 2π; tilt and defocus move it by the gradients of
    `random_phases`. Taken for round lenses: astigmatism and coma are small beside defocus and Cs.

    Parameters
    ----------
    weights
        (*b, y, x) intensity of each beam.
    """
    shape = (weights.shape[-2], weights.shape[-1])
    ay, ax = (wavelength(optics.energy) * k for k in _frequencies(shape, sampling, weights.device))
    square = (ax**2 + ay**2).float()
    c10, c30 = -_grid(optics.defocus), _grid(optics.Cs)
    tilt = 1e-3 * _grid(optics.angular_spread)
    focal = _grid(optics.focal_spread) ** 2 * square
    moved = focal + tilt**2 * ((c10 + 3 * c30 * square) ** 2 + (c10 + c30 * square) ** 2)
    mean = (weights * moved).sum(dim=(-2, -1)) / weights.sum(dim=(-2, -1)).clamp_min(1e-12)
    return (mean / 2).sqrt().float()


def aberration_phase(optics: Optics, ay: torch.Tensor, ax: torch.Tensor) -> torch.Tensor:
    """Return χ [rad] at angles (ay, ax) [rad] (Kirkland, 3rd ed., eq. 2.22, in Cartesian form)."""
    square = ax**2 + ay**2
    # Horner's form: the grid is large, and every pass over it counts.
    inner: torch.Tensor = 0.25 * _grid(optics.Cs)
    if _is_set(optics.C5):
        inner = inner + _grid(optics.C5) / 6 * square
    phase = square * (inner * square - 0.5 * _grid(optics.defocus))
    if _is_set(optics.astigmatism):
        p, q = _components(optics.astigmatism, optics.astigmatism_angle, 2)
        phase = phase + (0.5 * p * (ax**2 - ay**2) + q * ax * ay)
    if _is_set(optics.coma):
        p, q = _components(optics.coma, optics.coma_angle, 1)
        phase = phase + square * ((p / 3) * ax + (q / 3) * ay)
    return phase * (2 * np.pi / wavelength(optics.energy))


def _slopes(optics: Optics, ay: torch.Tensor, ax: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradient of χ λ / 2π with respect to the angles (α_y, α_x)."""
    square = ax**2 + ay**2
    radial = (_grid(optics.Cs) + _grid(optics.C5) * square) * square - _grid(optics.defocus)
    gy, gx = radial * ay, radial * ax
    if _is_set(optics.astigmatism):
        p, q = _components(optics.astigmatism, optics.astigmatism_angle, 2)
        gy, gx = gy + q * ax - p * ay, gx + p * ax + q * ay
    if _is_set(optics.coma):
        p, q = (c / 3 for c in _components(optics.coma, optics.coma_angle, 1))
        along = p * ax + q * ay
        gy, gx = gy + 2 * ay * along + square * q, gx + 2 * ax * along + square * p
    return gy, gx


def _components(size: Value, angle: Value, order: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the aberration's cosine and sine parts: its size times those of ``order`` times its angle."""
    import torch

    turned = order * _grid(angle)
    return _grid(size) * torch.cos(turned), _grid(size) * torch.sin(turned)


def _frequencies(
    shape: tuple[int, int], sampling: float, device: torch.device | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return k along y as (y, 1) and along x as (1, x) [1/Å], double precision."""
    import torch

    ky, kx = (torch.fft.fftfreq(n, sampling, dtype=torch.float64, device=device) for n in shape)
    return ky[:, None], kx[None, :]


def _grid(value: Value) -> torch.Tensor:
    """Return a setting as a tensor that broadcasts over a grid (y, x)."""
    import torch

    tensor = torch.as_tensor(value, dtype=torch.float64)
    return tensor[..., None, None] if tensor.ndim else tensor


def _is_set(value: Value) -> bool:
    """Whether a setting is anything but the number 0 (a tensor always is: its gradient may be asked for)."""
    return not isinstance(value, (int, float)) or value != 0
