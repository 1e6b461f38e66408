"""The probe of a STEM and its annular detectors.

Signs are those of docs/conventions.md: the probe is Σ_k A(k) exp(-iχ(k)) exp(2πi k·(r - r0)), defocus is
positive for underfocus (-C10), and focuses at the plane through the middle of the box where it is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from nanonet.records import InputError
from simulate.tem.optics import Optics, aberration_phase, wavelength

if TYPE_CHECKING:
    import torch

ENERGIES = (60e3, 300e3)
"""Range of beam energies [eV] that the multislice settings of this package were tried at."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A convergent probe.

    Parameters
    ----------
    energy
        Beam energy [eV].
    semiangle_cutoff
        Semi-angle of convergence [mrad].
    defocus
        Å, positive = underfocus = -C10: the crossover lies that far behind the middle of the box.
    Cs
        Third order spherical aberration C30 [Å].
    astigmatism, astigmatism_angle
        Twofold astigmatism C12 [Å] and its direction [rad], from x towards y.
    coma, coma_angle
        Axial coma C21 [Å] and its direction [rad].
    focal_spread
        Standard deviation of the defocus by chromatic aberration [Å]; always an incoherent sum.
    source_size
        Standard deviation along one axis of the source's image at the specimen [Å].
    """

    energy: float = 200e3
    semiangle_cutoff: float = 23.0
    defocus: float = 0.0
    Cs: float = 0.0
    astigmatism: float = 0.0
    astigmatism_angle: float = 0.0
    coma: float = 0.0
    coma_angle: float = 0.0
    focal_spread: float = 0.0
    source_size: float = 0.0

    def __post_init__(self) -> None:
        low, high = ENERGIES
        if not low <= self.energy <= high:
            raise InputError(f"energy must lie within {low:.0f} and {high:.0f} eV, got {self.energy} eV")
        if not 0 < self.semiangle_cutoff <= 100:
            raise InputError(
                f"semiangle_cutoff must lie within 0 and 100 mrad, got {self.semiangle_cutoff} mrad"
            )
        for name in ("focal_spread", "source_size"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} must not be negative, got {getattr(self, name)} Å")

    def optics(self) -> Optics:
        """Return the lens that forms the probe."""
        return Optics(
            energy=self.energy,
            defocus=self.defocus,
            Cs=self.Cs,
            astigmatism=self.astigmatism,
            astigmatism_angle=self.astigmatism_angle,
            coma=self.coma,
            coma_angle=self.coma_angle,
        )


@dataclass(frozen=True, kw_only=True)
class Annulus:
    """An annular detector: scattering angles α with inner <= α < outer [mrad]."""

    inner: float
    outer: float

    def __post_init__(self) -> None:
        if not 0 <= self.inner < self.outer:
            raise InputError(f"an annulus needs 0 <= inner < outer, got {self.inner} and {self.outer} mrad")


def beam_lattice(
    energy: float, semiangle_cutoff: float, sides: tuple[float, float]
) -> Int[np.ndarray, "beam 2"]:
    """Return the plane waves (my, mx) of a probe that is periodic in ``sides`` (y, x) [Å]: k = m / side.

    Sorted by my, then mx. Those at the aperture's edge that are transmitted in part belong to them.
    """
    lam = wavelength(energy)
    reach = [int(np.ceil(1e-3 * semiangle_cutoff * side / lam)) + 1 for side in sides]
    my, mx = np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij")
    lattice = np.stack([my.ravel(), mx.ravel()], axis=1)
    return np.asarray(lattice[_aperture(lattice, energy, semiangle_cutoff, sides) > 0])


def _aperture(
    lattice: Int[np.ndarray, "beam 2"], energy: float, semiangle_cutoff: float, sides: tuple[float, float]
) -> Float[np.ndarray, " beam"]:
    """Return the transmission of the aperture: at its edge, the part of a lattice cell that lies inside."""
    step = 1e3 * wavelength(energy) / np.array(sides)
    angles = lattice * step
    alpha = np.hypot(*angles.T)
    norm = np.maximum(np.hypot(*lattice.T), 1e-12)
    # The width of a lattice cell along the beam's own direction, as abTEM's soft aperture has it.
    direction = angles / np.maximum(alpha, 1e-12)[:, None]
    width = np.where(norm < 1, 1.0, np.hypot(*(direction * step).T))
    inside = np.clip((semiangle_cutoff - alpha) / width + 0.5, 0.0, 1.0)
    return np.asarray(np.where((lattice == 0).all(axis=1), 1.0, inside))


def coefficients(
    probe: Probe, lattice: Int[np.ndarray, "beam 2"], sides: tuple[float, float]
) -> torch.Tensor:
    """Return the amplitudes A(k) exp(-iχ(k)) of the plane waves of a probe: complex64 (beam,), norm 1.

    Parameters
    ----------
    lattice
        From `beam_lattice`.
    sides
        (y, x) [Å] that the probe is periodic in.
    """
    import torch

    angles = torch.as_tensor(lattice * (wavelength(probe.energy) / np.array(sides)))
    phase = aberration_phase(probe.optics(), angles[:, 0], angles[:, 1])
    amplitude = torch.as_tensor(_aperture(lattice, probe.energy, probe.semiangle_cutoff, sides))
    # χ reaches hundreds of rad: reduced in double precision.
    values = torch.polar(amplitude, -torch.remainder(phase, 2 * torch.pi))
    normed: torch.Tensor = (values / torch.linalg.vector_norm(values)).to(torch.complex64)
    return normed


def probe_wave(
    probe: Probe,
    shape: tuple[int, int],
    sides: tuple[float, float],
    position: tuple[float, float] = (0.0, 0.0),
) -> torch.Tensor:
    """Return the probe's wave function in its focal reference plane, complex64 (y, x): Σ|ψ|² is 1.

    Parameters
    ----------
    shape
        (y, x) of the grid.
    sides
        (y, x) of the periodic box [Å].
    position
        (y, x) [Å].
    """
    import torch

    lattice = beam_lattice(probe.energy, probe.semiangle_cutoff, sides)
    shift = np.exp(-2j * np.pi * (lattice / np.array(sides)) @ np.array(position))
    values = coefficients(probe, lattice, sides) * torch.as_tensor(shift, dtype=torch.complex64)
    spectrum = torch.zeros(shape, dtype=torch.complex64)
    spectrum[tuple(torch.as_tensor(lattice.T % np.array(shape)[:, None]))] = values
    wave: torch.Tensor = torch.fft.ifft2(spectrum, norm="ortho")
    return wave


def probe_intensity(
    probe: Probe, shape: tuple[int, int], sides: tuple[float, float], *, nodes: int = 7
) -> torch.Tensor:
    """Return the probe's intensity (y, x) around (0, 0), sum 1, with focal spread and without source size."""
    import torch

    total = torch.zeros(shape)
    for node, weight in focal_series(probe, nodes):
        total += weight * probe_wave(node, shape, sides).abs().square()
    return total


def focal_series(probe: Probe, nodes: int = 7) -> tuple[tuple[Probe, float], ...]:
    """Return probes without focal spread, and weights of sum 1, whose incoherent sum has it.

    The nodes are those of Gauss and Hermite: exact for images that are polynomials of degree 2 nodes - 1
    in the defocus.
    """
    if probe.focal_spread == 0:
        return ((probe, 1.0),)
    offsets, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return tuple(
        (replace(probe, defocus=probe.defocus + probe.focal_spread * float(offset), focal_spread=0.0), weight)
        for offset, weight in zip(offsets, (weights / weights.sum()).tolist(), strict=True)
    )


def source_response(source_size: float, ky: torch.Tensor, kx: torch.Tensor) -> torch.Tensor:
    """Return the transfer exp(-2π² σ² k²) of a Gaussian source [Å] at spatial frequencies [1/Å]."""
    import torch

    return torch.exp(-2 * (np.pi * source_size) ** 2 * (ky**2 + kx**2))


def annulus_masks(
    annuli: Sequence[Annulus], shape: tuple[int, int], sides: tuple[float, float], energy: float
) -> torch.Tensor:
    """Return which samples of an FFT (y, x) over ``sides`` [Å] fall on each annulus: bool (annulus, y, x)."""
    import torch

    ky, kx = (np.fft.fftfreq(n, side / n) for n, side in zip(shape, sides, strict=True))
    alpha = 1e3 * wavelength(energy) * np.hypot(ky[:, None], kx)
    return torch.as_tensor(np.stack([(alpha >= a.inner) & (alpha < a.outer) for a in annuli]))


def scan_points(energy: float, semiangle_cutoff: float, sides: tuple[float, float]) -> tuple[int, int]:
    """Return how many scan points (y, x) hold all of an image: steps of at most λ / (4 α).

    An image has no frequencies above 2 α / λ; the count transforms fast.
    """
    lam = wavelength(energy)
    points = [fast_count(4e-3 * semiangle_cutoff * side / lam + 5, 2) for side in sides]
    return points[0], points[1]


def fast_count(least: float, multiple: int) -> int:
    """Return the smallest count from ``least`` on that is a multiple and has no prime factors above 7."""
    count = multiple * max(1, int(np.ceil(least / multiple - 1e-9)))
    while not _smooth(count):
        count += multiple
    return count


def _smooth(count: int) -> bool:
    for prime in (2, 3, 5, 7):
        while count % prime == 0:
            count //= prime
    return count == 1
