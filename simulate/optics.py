"""The objective lens: aberrations, partial coherence, and the image that exit waves give. In torch.

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
    astigmatism: Value = 0.0
    astigmatism_angle: Value = 0.0
    coma: Value = 0.0
    coma_angle: Value = 0.0
    focal_spread: Value = 0.0
    angular_spread: Value = 0.0
    aperture: float | None = None


def wavelength(energy: float) -> float:
    """Return the relativistic wavelength [Å] of electrons of an energy [eV]: h c / sqrt(E (2 m c² + E))."""
    from scipy import constants

    if not energy > 0:
        raise InputError(f"energy must be positive, got {energy} eV")
    rest = constants.m_e * constants.c**2 / constants.e
    return float(1e10 * constants.h * constants.c / constants.e / np.sqrt(energy * (2 * rest + energy)))


def transfer_function(optics: Optics, shape: tuple[int, int], sampling: float) -> torch.Tensor:
    """Return exp(-iχ), times the aperture and the envelope of spatial coherence, on an FFT's grid.

    Spatial coherence is exp(-½ (θ |∂χ/∂α|)²), the first order of Frank's envelope (Optik 38 (1973) 519);
    temporal coherence is no part of this: `image_intensity` sums over it.

    Parameters
    ----------
    shape
        (y, x) of the grid.
    sampling
        Of the grid in real space [Å].

    Returns
    -------
    transfer
        complex64 (y, x), or (b, y, x) for a batch of settings.
    """
    import torch

    ay, ax = (wavelength(optics.energy) * k for k in _frequencies(shape, sampling))
    phase, slope = _aberrations(optics, ay, ax)
    # χ reaches hundreds of rad, so it is reduced in double precision before its sine is taken.
    phase = torch.remainder(phase, 2 * torch.pi).float()
    amplitude = torch.ones_like(phase)
    if _is_set(optics.angular_spread):
        spread = 1e-3 * _grid(optics.angular_spread)
        amplitude = torch.exp(-0.5 * spread**2 * slope).float()
    if optics.aperture is not None:
        amplitude = amplitude * ((ax**2 + ay**2) <= (1e-3 * optics.aperture) ** 2)
    return torch.polar(amplitude, -phase)


def _aberrations(optics: Optics, ay: torch.Tensor, ax: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return χ and |∂χ/∂α|² at angles α [rad] (Kirkland, 3rd ed., eq. 2.22, in Cartesian form)."""
    import torch

    c10, c30 = -_grid(optics.defocus), _grid(optics.Cs)
    square = ax**2 + ay**2
    phase = 0.5 * c10 * square + 0.25 * c30 * square**2
    radial = c10 + c30 * square
    gx, gy = radial * ax, radial * ay
    if _is_set(optics.astigmatism):
        twice = 2 * _grid(optics.astigmatism_angle)
        p, q = (_grid(optics.astigmatism) * f(twice) for f in (torch.cos, torch.sin))
        phase = phase + 0.5 * (p * (ax**2 - ay**2) + 2 * q * ax * ay)
        gx, gy = gx + p * ax + q * ay, gy + q * ax - p * ay
    if _is_set(optics.coma):
        angle = _grid(optics.coma_angle)
        p, q = (_grid(optics.coma) / 3 * f(angle) for f in (torch.cos, torch.sin))
        along = p * ax + q * ay
        phase = phase + square * along
        gx, gy = gx + 2 * ax * along + square * p, gy + 2 * ay * along + square * q
    scale = 2 * torch.pi / wavelength(optics.energy)
    return scale * phase, scale**2 * (gx**2 + gy**2)


def focal_nodes(configurations: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where a normal distribution of defocus is sampled, each phonon configuration elsewhere.

    Every configuration has ``points`` equidistant nodes, and those of all configurations interleave to
    one grid that is finer by their number. The sum over a Gaussian of equidistant nodes a spacing h apart
    is exact up to 2 exp(-½ (2π/h - φ)²) for a phase φ per standard deviation, so the average over
    configurations is as good as with configurations × points nodes.

    Returns
    -------
    offsets
        (configuration, point) in standard deviations.
    weights
        (configuration, point), sum 1.
    """
    from scipy.stats import norm

    reach = 3.3 if points > 1 else 0.0
    spacing = 2 * reach / points
    stagger = (np.arange(configurations) + 0.5) / configurations - 0.5
    offsets = spacing * (np.arange(points) - (points - 1) / 2 + stagger[:, None])
    weights = norm.pdf(offsets)
    return offsets, weights / weights.sum()


def image_intensity(
    waves: torch.Tensor, sampling: float, optics: Optics, *, focal_points: int = 5
) -> torch.Tensor:
    """Return the image of exit waves: the incoherent mean over phonons and focal spread.

    I(r) = Σ_p Σ_w g_w |F⁻¹ [F[ψ_p] exp(-iχ(Δf + δ_w))]|², a true sum (no envelope).

    Parameters
    ----------
    waves
        (phonon, y, x) or (b, phonon, y, x), complex64; vacuum is 1.
    sampling
        Å.
    focal_points
        Nodes of each phonon configuration; see `focal_nodes`.

    Returns
    -------
    intensity
        (y, x) or (b, y, x), float32; vacuum is 1.
    """
    import torch

    shape = (waves.shape[-2], waves.shape[-1])
    transfer = transfer_function(optics, shape, sampling)
    spectrum = torch.fft.fft2(waves) * transfer.unsqueeze(-3)
    if not _is_set(optics.focal_spread):
        return _squared(torch.fft.ifft2(spectrum)).mean(dim=-3)
    offsets, weights = (torch.as_tensor(x) for x in focal_nodes(waves.shape[-3], focal_points))
    steps = [torch.pi * wavelength(optics.energy) * k**2 for k in _frequencies(shape, sampling)]
    spread = torch.as_tensor(optics.focal_spread, dtype=torch.float64)[..., None, None, None]
    total = torch.zeros((), dtype=torch.float32)
    for offset, weight in zip(offsets.T, weights.T.float(), strict=True):
        delta = spread * offset[:, None, None]
        defocused = spectrum * _phase_factor(steps[0] * delta) * _phase_factor(steps[1] * delta)
        total = total + (weight[:, None, None] * _squared(torch.fft.ifft2(defocused))).sum(dim=-3)
    return total


def _frequencies(shape: tuple[int, int], sampling: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return k along y as (y, 1) and along x as (1, x) [1/Å], double precision."""
    import torch

    ky, kx = (torch.fft.fftfreq(n, sampling, dtype=torch.float64) for n in shape)
    return ky[:, None], kx[None, :]


def _phase_factor(phase: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.polar(torch.ones_like(phase), phase).to(torch.complex64)


def _squared(wave: torch.Tensor) -> torch.Tensor:
    return wave.real.square() + wave.imag.square()


def _grid(value: Value) -> torch.Tensor:
    """Return a setting as a tensor that broadcasts over a grid (y, x)."""
    import torch

    tensor = torch.as_tensor(value, dtype=torch.float64)
    return tensor[..., None, None] if tensor.ndim else tensor


def _is_set(value: Value) -> bool:
    """Whether a setting is anything but the number 0 (a tensor always is: its gradient may be asked for)."""
    return not isinstance(value, (int, float)) or value != 0
