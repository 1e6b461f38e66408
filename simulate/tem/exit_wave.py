"""Exit waves by multislice: the mean wave of atoms that vibrate, and those of single configurations.

A wave is that of a plane wave of amplitude 1, at the height of the box that its atoms name under
`simulate.specimen.FOCAL_PLANE`, else at its middle: defocus 0 focuses there. It is given by its Fourier
transform, the mean of ψ exp(-2πi k·r) over the box, in the frame (y, x) of docs/conventions.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Complex64

from nanonet.records import InputError
from simulate.specimen import FOCAL_PLANE
from simulate.tem.optics import wavelength

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, kw_only=True)
class Multislice:
    """How waves are propagated.

    Parameters
    ----------
    energy
        Beam energy [eV].
    sampling
        Of the grid [Å]; coarser than 0.1 Å changes the contrast by more than phonons do.
    slice_thickness
        Å along the beam.
    parametrization
        Of the atomic scattering factors.
    device
        "cpu", or "gpu" for abTEM's with CuPy.
    """

    energy: float = 300e3
    sampling: float = 0.1
    slice_thickness: float = 1.0
    parametrization: Literal["lobato", "kirkland"] = "lobato"
    device: Literal["cpu", "gpu"] = "cpu"

    def __post_init__(self) -> None:
        for name, unit in (("energy", "eV"), ("sampling", "Å"), ("slice_thickness", "Å")):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)} {unit}")
        if not 0.02 <= self.sampling <= 0.1:
            raise InputError(f"sampling must lie within 0.02 and 0.1 Å, got {self.sampling} Å")
        if self.slice_thickness > 4:
            raise InputError(f"slice_thickness must be at most 4 Å, got {self.slice_thickness} Å")

    def grid(self, atoms: Atoms) -> tuple[int, int]:
        """Return the points of the square grid, and the slices, that a box of atoms needs."""
        side, height = float(atoms.cell[0, 0]), float(atoms.cell[2, 2])
        return round(side / self.sampling), int(np.ceil(height / self.slice_thickness - 1e-9))


def fast_size(least: float) -> int:
    """Return the smallest even size of at least ``least`` that FFTs do fast: 2^a 3^b 5^c."""
    from scipy.fft import next_fast_len

    half = max(int(np.ceil(least / 2 - 1e-6)), 1)
    return 2 * int(next_fast_len(half, real=True))


def elastic_wave(
    atoms: Atoms, multislice: Multislice, displacements: Mapping[str, float], points: int
) -> Complex64[np.ndarray, "y x"]:
    """Return the mean of the exit wave over thermal displacements, exactly (see `simulate.tem.thermal`).

    Parameters
    ----------
    atoms
        In their box.
    displacements
        Root mean square displacement along one axis by element [Å].
    points
        Of the transform that is returned: it holds what lies below points / (2 side).

    Raises
    ------
    InputError
        If an element has no displacement.
    """
    import abtem

    from simulate.tem.thermal import averaged_potential

    _require_displacements(atoms, displacements)
    gpts, slices = multislice.grid(atoms)
    side, height = float(atoms.cell[0, 0]), float(atoms.cell[2, 2])
    with abtem.config.set(_settings(multislice)):
        array = averaged_potential(
            atoms,
            gpts,
            slices,
            displacements=displacements,
            energy=multislice.energy,
            parametrization=multislice.parametrization,
        )
        potential = abtem.PotentialArray(array, slice_thickness=height / slices, extent=(side, side))
        potential = potential.copy_to_device(multislice.device)
        wave = abtem.PlaneWave(energy=multislice.energy).multislice(potential, lazy=False)
    return _in_focus(wave.to_cpu().array, atoms, slices, multislice.energy, points)


def phonon_wave(
    atoms: Atoms,
    multislice: Multislice,
    displacements: Mapping[str, float],
    points: int,
    seed: tuple[int, ...],
) -> Complex64[np.ndarray, "y x"]:
    """Return the exit wave of one configuration of thermal displacements, drawn from ``seed``."""
    return static_wave(displaced(atoms, displacements, np.random.default_rng(seed)), multislice, points)


def static_wave(atoms: Atoms, multislice: Multislice, points: int) -> Complex64[np.ndarray, "y x"]:
    """Return the exit wave of atoms where they are."""
    import abtem

    from simulate.tem.projection import StructureFactorIntegrals

    gpts, slices = multislice.grid(atoms)
    height = float(atoms.cell[2, 2])
    with abtem.config.set(_settings(multislice)):
        potential = abtem.Potential(
            atoms,
            gpts=gpts,
            slice_thickness=height / slices,
            integrator=StructureFactorIntegrals(multislice.parametrization),
        )
        wave = abtem.PlaneWave(energy=multislice.energy).multislice(potential, lazy=False)
    return _in_focus(wave.to_cpu().array, atoms, slices, multislice.energy, points)


def displaced(atoms: Atoms, displacements: Mapping[str, float], rng: np.random.Generator) -> Atoms:
    """Return an Einstein phonon configuration: a Gaussian displacement of each atom across the beam.

    Along the beam they stay: a slice does not see where in it an atom lies, but an atom that left its slice
    would jump by a whole one.

    Raises
    ------
    InputError
        If an element has no displacement.
    """
    _require_displacements(atoms, displacements)
    sigma = np.array([displacements[symbol] for symbol in atoms.get_chemical_symbols()])
    moved = atoms.copy()
    moved.positions[:, :2] += sigma[:, None] * rng.standard_normal((len(atoms), 2))
    return moved


def _require_displacements(atoms: Atoms, displacements: Mapping[str, float]) -> None:
    missing = sorted(set(atoms.get_chemical_symbols()) - set(displacements))
    if missing:
        raise InputError(f"thermal_displacements lacks {', '.join(missing)}: give each element's in Å")


def _settings(multislice: Multislice) -> dict[str, Any]:
    # FFTW's estimated plans do not depend on the run, measured ones do, and then the last bits of a wave.
    return {
        "device": multislice.device,
        "precision": "float32",
        "fft": "fftw",
        "fftw.threads": 1,
        "fftw.planning_effort": "FFTW_ESTIMATE",
        "diagnostics.progress_bar": False,
    }


def _in_focus(
    wave: Complex64[np.ndarray, "x y"], atoms: Atoms, slices: int, energy: float, points: int
) -> Complex64[np.ndarray, "v u"]:
    """Return the transform of a wave behind its box, back at the focal plane, cropped to ``points``.

    Free space over a distance z multiplies by exp(-iπ λ k² z) (Kirkland, 3rd ed., eq. 6.67). abTEM transmits
    a slice at its entrance, so that its atoms lie half a slice deeper on average.
    """
    side, height, fine = float(atoms.cell[0, 0]), float(atoms.cell[2, 2]), wave.shape[-1]
    kept = np.fft.fftfreq(points, 1 / points).round().astype(int)
    spectrum = np.fft.fft2(wave.T.astype(np.complex128))[np.ix_(kept, kept)] / fine**2
    k = kept / side
    square = k[:, None] ** 2 + k**2
    back = height - float(atoms.info.get(FOCAL_PLANE, height / 2)) + height / slices / 2
    spectrum *= np.exp(1j * np.pi * wavelength(energy) * back * square)
    spectrum *= square < (points / (2 * side)) ** 2
    return np.asarray(spectrum, dtype=np.complex64)
