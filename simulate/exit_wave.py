"""Exit waves of a particle by multislice with frozen phonons: the expensive part, made once and stored.

The wave is that of a plane wave of amplitude 1, at the plane through the middle of the particle's box:
defocus 0 focuses there. It is periodic in the box, in the frame (y, x) of docs/conventions.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Complex64

from nanonet.records import InputError
from simulate.optics import wavelength

if TYPE_CHECKING:
    from ase import Atoms

FAST_SIZES = (240, 288, 320, 360, 384, 400, 432, 480, 540, 576, 600, 648, 720, 800, 864, 900, 960, 1080, 1200)
"""Grid sizes that FFTW transforms fast without measuring (which would make results depend on the run)."""
BEAM_MARGIN = 2.0
"""Vacuum before the first and after the last atom along the beam [Å]."""


@dataclass(frozen=True, kw_only=True)
class WaveRecipe:
    """How exit waves are calculated.

    Parameters
    ----------
    energy
        Beam energy [eV].
    frozen_phonons
        Configurations of thermal displacements.
    sampling
        Of the multislice grid [Å]; coarser than 0.1 Å changes the contrast by more than phonons do.
    stored_sampling
        Of the stored waves [Å]: they hold what lies below 1 / (2 stored_sampling).
    slice_thickness
        Å along the beam.
    padding
        Vacuum beside the particle on each side [Å].
    parametrization
        Of the atomic scattering factors.
    thermal_displacements
        Root mean square displacement along one axis by element [Å], in place of the crystal's own.
    """

    energy: float = 300e3
    frozen_phonons: int = 8
    sampling: float = 0.1
    stored_sampling: float = 0.2
    slice_thickness: float = 1.0
    padding: float = 6.0
    parametrization: Literal["lobato", "kirkland"] = "lobato"
    thermal_displacements: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        for name, unit in (("energy", "eV"), ("sampling", "Å"), ("slice_thickness", "Å"), ("padding", "Å")):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)} {unit}")
        if not 0.05 <= self.sampling <= 0.1:
            raise InputError(f"sampling must lie within 0.05 and 0.1 Å, got {self.sampling} Å")
        if self.stored_sampling < self.sampling:
            raise InputError(
                f"stored_sampling must be at least sampling, got {self.stored_sampling} < {self.sampling} Å"
            )
        if self.frozen_phonons < 1:
            raise InputError(f"frozen_phonons must be at least 1, got {self.frozen_phonons}")


@dataclass(frozen=True, kw_only=True)
class ExitWaves:
    """Exit waves of one structure.

    Parameters
    ----------
    waves
        (phonon, y, x), complex; vacuum is 1. Element (i, j) lies at (i · sampling, j · sampling).
    sampling
        Å along both axes.
    energy
        eV.
    """

    waves: Complex64[np.ndarray, "phonon y x"]
    sampling: float
    energy: float


def enclose(atoms: Atoms, recipe: WaveRecipe, *, like: Atoms | None = None) -> Atoms:
    """Return the atoms in a box with vacuum all around; the box is square, of a size that transforms fast.

    Parameters
    ----------
    like
        Atoms to fit the box to, if others than ``atoms`` (a particle's largest state, so that all states
        share one frame).
    """
    reference = (atoms if like is None else like).positions
    low, high = reference.min(axis=0), reference.max(axis=0)
    count = fast_size(((high - low)[:2].max() + 2 * recipe.padding) / recipe.sampling)
    side = count * recipe.sampling
    height = high[2] - low[2] + 2 * BEAM_MARGIN
    placed = atoms.copy()
    placed.positions += np.array([side, side, height]) / 2 - (low + high) / 2
    placed.set_cell([side, side, height])
    placed.pbc = True
    return placed


def fast_size(least: float) -> int:
    """Return the smallest grid size of `FAST_SIZES` that is not below ``least``.

    Raises
    ------
    InputError
        If there is none: the particle is too large.
    """
    for size in FAST_SIZES:
        if size >= least - 1e-6:
            return size
    raise InputError(
        f"a grid of {least:.0f} points is needed, at most {FAST_SIZES[-1]} are simulated: smaller diameter"
    )


def displaced(atoms: Atoms, displacements: Mapping[str, float], rng: np.random.Generator) -> Atoms:
    """Return the atoms of one phonon configuration: Einstein's model, independent Gaussian displacements."""
    symbols = atoms.get_chemical_symbols()
    missing = sorted(set(symbols) - set(displacements))
    if missing:
        raise InputError(f"thermal_displacements lacks {', '.join(missing)}: give its displacement in Å")
    sigma = np.array([displacements[symbol] for symbol in symbols])
    moved = atoms.copy()
    moved.positions += sigma[:, None] * rng.standard_normal((len(atoms), 3))
    return moved


def exit_waves(
    atoms: Atoms, recipe: WaveRecipe, *, displacements: Mapping[str, float], seed: tuple[int, ...]
) -> ExitWaves:
    """Return the exit waves of atoms in their box, one a phonon configuration.

    Configuration i is drawn from [*seed, i], so that any subset of them is the same.

    Parameters
    ----------
    atoms
        From `enclose`.
    displacements
        Root mean square displacement along one axis by element [Å].
    """
    waves = [
        phonon_wave(atoms, recipe, displacements=displacements, seed=seed, configuration=index)
        for index in range(recipe.frozen_phonons)
    ]
    side = float(atoms.cell[0, 0])
    return ExitWaves(waves=np.stack(waves), sampling=side / waves[0].shape[-1], energy=recipe.energy)


def phonon_wave(
    atoms: Atoms,
    recipe: WaveRecipe,
    *,
    displacements: Mapping[str, float],
    seed: tuple[int, ...],
    configuration: int,
) -> Complex64[np.ndarray, "y x"]:
    """Return the exit wave of one phonon configuration; parameters as in `exit_waves`."""
    sigma = {**displacements, **(recipe.thermal_displacements or {})}
    return single_wave(displaced(atoms, sigma, np.random.default_rng([*seed, configuration])), recipe)


def single_wave(atoms: Atoms, recipe: WaveRecipe) -> Complex64[np.ndarray, "y x"]:
    """Return the exit wave of one configuration, Fourier-cropped to ``stored_sampling``."""
    import abtem

    from simulate.projection import StructureFactorIntegrals

    side, height = float(atoms.cell[0, 0]), float(atoms.cell[2, 2])
    count = round(side / recipe.sampling)
    slices = int(np.ceil(height / recipe.slice_thickness))
    # FFTW's estimated plans do not depend on the run, measured ones do, and then the last bits of a wave.
    settings = {
        "device": "cpu",
        "precision": "float32",
        "fft": "fftw",
        "fftw.threads": 1,
        "fftw.planning_effort": "FFTW_ESTIMATE",
        "diagnostics.progress_bar": False,
    }
    with abtem.config.set(settings):
        potential = abtem.Potential(
            atoms,
            gpts=count,
            slice_thickness=height / slices,
            integrator=StructureFactorIntegrals(recipe.parametrization),
        )
        wave = abtem.PlaneWave(energy=recipe.energy).multislice(potential, lazy=False)
    # abTEM transmits a slice at its entrance: its atoms lie half a slice deeper on average.
    back = (height + height / slices) / 2
    return fourier_crop(np.asarray(wave.array).T, side, recipe, back)


def fourier_crop(
    wave: Complex64[np.ndarray, "y x"], side: float, recipe: WaveRecipe, back: float
) -> Complex64[np.ndarray, "v u"]:
    """Return a wave at ``stored_sampling``, propagated back by ``back`` [Å] along the beam.

    Free space over a distance z multiplies by exp(-iπ λ k² z) (Kirkland, 3rd ed., eq. 6.67).
    """
    fine, coarse = wave.shape[-1], round(side / recipe.stored_sampling)
    kept = np.fft.fftfreq(coarse, 1 / coarse).astype(int)
    spectrum = np.fft.fft2(wave.astype(np.complex128))[np.ix_(kept, kept)] * (coarse / fine) ** 2
    k = kept / side
    square = k[:, None] ** 2 + k**2
    spectrum *= np.exp(1j * np.pi * wavelength(recipe.energy) * back * square)
    spectrum *= square < (coarse / (2 * side)) ** 2
    return np.fft.ifft2(spectrum).astype(np.complex64)
