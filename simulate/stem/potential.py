"""What multislice and PRISM share: abTEM's potentials of frozen phonon configurations, made alike.

FFTW runs on one thread with estimated plans and in single precision, so that a configuration follows from
its seed to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Complex64, Float

from nanonet.records import InputError
from simulate.stem.probe import Annulus, fast_count
from simulate.tem.exit_wave import displaced
from simulate.tem.optics import wavelength

if TYPE_CHECKING:
    from abtem.potentials.iam import PotentialArray
    from ase import Atoms

ABTEM_SETTINGS: Mapping[str, Any] = {
    "device": "cpu",
    "precision": "float32",
    "fft": "fftw",
    "fftw.threads": 1,
    # Measured plans depend on the run, and with them the last bits of a wave.
    "fftw.planning_effort": "FFTW_ESTIMATE",
    "diagnostics.progress_bar": False,
}
# abTEM cuts waves off at 2/3 of Nyquist, and tapers them from (2/3 - 0.02) of it on.
HELD = 2 / 3 - 0.02
FINER = 2.5
"""Points that exp(iσV) is taken on, for each of the grid along an axis."""


@dataclass(frozen=True, kw_only=True)
class Scattering:
    """How scattering is calculated.

    Parameters
    ----------
    frozen_phonons
        Configurations of thermal displacements.
    sampling
        Of the multislice grid, at most [Å]: the grid takes the next size that transforms fast.
    slice_thickness
        Å along the beam, at most.
    parametrization
        Of the atomic scattering factors.
    """

    frozen_phonons: int = 8
    sampling: float = 0.05
    slice_thickness: float = 1.0
    parametrization: Literal["lobato", "kirkland"] = "lobato"

    def __post_init__(self) -> None:
        for name in ("sampling", "slice_thickness"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)} Å")
        if self.frozen_phonons < 1:
            raise InputError(f"frozen_phonons must be at least 1, got {self.frozen_phonons}")


@dataclass(frozen=True, kw_only=True)
class ScanImages:
    """Clean images of a periodic box: the part of the beam that falls on each annulus.

    Parameters
    ----------
    images
        (probe, annulus, depth, y, x), float32; mean over phonon configurations. Point (i, j) is the probe
        at (i · sides[0] / y, j · sides[1] / x).
    sides
        (y, x) of the box [Å].
    depths
        Å below the top of the box at which the wave was detected.
    """

    images: Float[np.ndarray, "probe annulus depth y x"]
    sides: tuple[float, float]
    depths: tuple[float, ...]


def check_annuli(annuli: Sequence[Annulus], scattering: Scattering, energy: float) -> None:
    """Raise an InputError naming the sampling needed, if the grid does not hold the annuli."""
    outer = max(annulus.outer for annulus in annuli)
    needed = HELD * 1e3 * wavelength(energy) / (2 * outer)
    if scattering.sampling > needed:
        raise InputError(
            f"sampling must be at most {np.floor(1e4 * needed) / 1e4:.4f} Å for scattering up to {outer} mrad"
            f" at {energy / 1e3:.0f} kV, got {scattering.sampling} Å"
        )


def box_sides(atoms: Atoms) -> tuple[float, float]:
    """Return the edges (y, x) [Å] of the atoms' rectangular box."""
    cell = np.asarray(atoms.cell)
    if np.abs(cell - np.diag(np.diag(cell))).max() > 1e-6 or not (np.diag(cell) > 0).all():
        raise InputError("atoms must lie in a rectangular box along x, y and z (atoms.cell)")
    return float(cell[1, 1]), float(cell[0, 0])


def phonon_potential(
    atoms: Atoms,
    scattering: Scattering,
    displacements: Mapping[str, float],
    seed: Sequence[int],
    *,
    energy: float,
    depths: Sequence[float] | None = None,
) -> PotentialArray:
    """Return the potential of the phonon configuration of a seed, its slices along z, grid (x, y).

    Each configuration is drawn and sliced by itself: abTEM's own frozen phonons are not used, whose eager
    mode has held only one distinct configuration, or scaled PRISM's result by their number.

    Near its core an atom turns the phase by radians within a pixel. exp(iσV) is therefore taken on a grid
    that is `FINER` and cut to the band of this one: on the grid itself one plane of gold scatters 15 % too
    much to 80-100 mrad, and 36 % to 140-160 mrad, at 200 kV. What is returned is the complex potential
    -i/σ ln t, whose exponential is the cut one.

    Parameters
    ----------
    energy
        Of the beam [eV].
    depths
        Å below the top of the box at which exit planes are wanted; the nearest slice boundaries are taken.
    """
    import abtem

    from simulate.tem.projection import StructureFactorIntegrals

    sides, height = box_sides(atoms), float(atoms.cell[2, 2])
    moved = displaced(atoms, displacements, np.random.default_rng([*seed]))
    slices = int(np.ceil(height / scattering.slice_thickness - 1e-9))
    planes = None if depths is None else tuple(stop - 1 for stop in slice_stops(depths, height, slices))
    gpts = tuple(fast_count(side / scattering.sampling, 4) for side in reversed(sides))
    with abtem.config.set(dict(ABTEM_SETTINGS)):
        fine = abtem.Potential(
            moved,
            gpts=tuple(fast_count(FINER * n, 4) for n in gpts),
            slice_thickness=height / slices,
            integrator=StructureFactorIntegrals(scattering.parametrization),
        )
        banded = np.stack([_banded(part.array[0], gpts, energy) for part in fine.generate_slices()])
        return abtem.PotentialArray(
            banded, slice_thickness=height / slices, extent=tuple(reversed(sides)), exit_planes=planes
        )


def _banded(
    potential: Float[np.ndarray, "u v"], gpts: tuple[int, ...], energy: float
) -> Complex64[np.ndarray, "x y"]:
    """Return the complex potential on a coarser grid that transmits what ``potential`` does in its band."""
    from abtem.core.energy import energy2sigma
    from scipy.fft import fft2, ifft2

    sigma = np.float32(energy2sigma(energy))
    kept = [np.fft.fftfreq(n, 1 / n).round().astype(int) for n in gpts]
    spectrum = fft2(np.exp(1j * sigma * potential.astype(np.float32)))[np.ix_(*kept)]
    scale = np.float32(np.prod(gpts) / potential.size)
    # The band is abTEM's, that of waves: what lies beyond would only alias when it meets them.
    square = sum((k / n) ** 2 for k, n in zip(np.ix_(*kept), gpts, strict=True))
    return np.asarray(-1j / sigma * np.log(ifft2(scale * spectrum * (square < (1 / 3) ** 2))), np.complex64)


def slice_stops(depths: Sequence[float], height: float, slices: int) -> tuple[int, ...]:
    """Return how many slices lie above each depth; raise where depths do not increase by slices."""
    stops = tuple(round(depth / height * slices) for depth in depths)
    if not stops or stops[0] < 1 or stops[-1] > slices or any(np.diff(stops) < 1):
        raise InputError(
            f"depths must increase by at least a slice of {height / slices:.2f} Å, from one slice to the "
            f"box's {height:.2f} Å, got {', '.join(f'{depth:.2f}' for depth in depths)} Å"
        )
    return stops


def focus_depth(thickness: float, slice_thickness: float) -> float:
    """Return the defocus [Å] with which abTEM focuses in the middle of a thickness.

    A probe that starts with defocus f has its crossover f below the entrance; abTEM transmits a slice at
    its entrance, which puts atoms half a slice higher than they are.
    """
    return (thickness - slice_thickness) / 2
