"""Physics that must hold on this machine, checked in seconds: `nanonet doctor --physics` shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

# Kirkland, Advanced Computing in Electron Microscopy, 3rd ed., table of relativistic wavelengths [Å].
WAVELENGTHS = {60e3: 0.04866, 80e3: 0.04176, 100e3: 0.03701, 200e3: 0.02508, 300e3: 0.01969}


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was measured, what physics says, and whether they agree within ``tolerance`` (absolute)."""

    name: str
    measured: float
    expected: float
    tolerance: float
    unit: str = ""

    @property
    def passed(self) -> bool:
        """Whether measured and expected agree."""
        return bool(abs(self.measured - self.expected) <= self.tolerance)


def run_selftests() -> tuple[Check, ...]:
    """Run all checks; they take some seconds."""
    checks: tuple[Callable[[], tuple[Check, ...]], ...] = (
        check_wavelengths,
        check_norm,
        check_scherzer_resolution,
        check_counts,
        check_lazy,
        check_batching,
        check_slice_edges,
        check_transfer_function,
    )
    return tuple(check for function in checks for check in function())


def check_wavelengths() -> tuple[Check, ...]:
    """Compare the relativistic wavelength with tables."""
    from simulate.optics import wavelength

    return tuple(
        Check(
            name=f"wavelength at {energy / 1e3:.0f} kV",
            measured=wavelength(energy),
            expected=tabulated,
            tolerance=6e-6,
            unit="Å",
        )
        for energy, tabulated in WAVELENGTHS.items()
    )


def check_norm() -> tuple[Check, ...]:
    """Check that multislice keeps the wave's norm, but for what it scatters beyond the band limit."""
    import abtem

    from simulate.projection import StructureFactorIntegrals

    with abtem.config.set(_quiet()):
        potential = abtem.Potential(
            _gold(), gpts=240, slice_thickness=1.0, integrator=StructureFactorIntegrals()
        )
        wave = abtem.PlaneWave(energy=300e3).multislice(potential, lazy=False).array
    return (Check(name="norm after multislice", measured=_mean_square(wave), expected=1.0, tolerance=2e-3),)


def check_scherzer_resolution() -> tuple[Check, ...]:
    """Compare the first zero of the phase contrast at Scherzer's defocus with c Cs^1/4 λ^3/4.

    c is 0.66 at the defocus sqrt(4/3 Cs λ) and 0.64 at sqrt(3/2 Cs λ), the two that go by the name.
    """
    from simulate.optics import wavelength

    energy, Cs = 300e3, 1.2e7
    unit = Cs**0.25 * wavelength(energy) ** 0.75
    return tuple(
        Check(
            name=f"Scherzer point resolution, 300 kV, Cs 1.2 mm, {factor} Cs^1/4 λ^3/4",
            measured=_first_zero(energy, Cs, float(np.sqrt(square * Cs * wavelength(energy)))),
            expected=factor * unit,
            tolerance=0.005 * unit,
            unit="Å",
        )
        for factor, square in ((0.66, 4 / 3), (0.64, 3 / 2))
    )


def _first_zero(energy: float, Cs: float, defocus: float) -> float:
    """Return the distance [Å] at whose frequency a weak phase object first loses its contrast."""
    from simulate.optics import Optics, transfer_function

    sampling, count = 0.25, 40000
    transfer = transfer_function(Optics(energy=energy, Cs=Cs, defocus=defocus), (1, count), sampling)
    contrast = transfer[0, 1 : count // 2].imag.numpy()  # -sin χ, which begins above 0 in underfocus
    below = int(np.argmax(contrast < 0))
    between = contrast[below] / (contrast[below] - contrast[below - 1])
    return float(count * sampling / (below + 1 - between))


def check_counts() -> tuple[Check, ...]:
    """Check that the mean counts of vacuum are dose times area."""
    import torch

    from simulate.detector import Detector, count, expected_counts

    detector = Detector(pixel_size=0.25, dose=2000.0)
    expected = expected_counts(torch.ones(200, 200), 0.2, detector, origin=(3.1, 4.2), shape=(128, 128))
    counts = count(expected, np.random.default_rng(0))
    area_dose = detector.dose * detector.pixel_size**2
    return (
        Check(
            name="mean counts are dose times area",
            measured=float(counts.mean()),
            expected=area_dose,
            tolerance=4 * float(np.sqrt(area_dose / counts.size)),
            unit="e",
        ),
    )


def check_lazy() -> tuple[Check, ...]:
    """Check that abTEM calculates frozen phonons eagerly as it does lazily."""
    import abtem
    import dask

    from simulate.projection import StructureFactorIntegrals

    waves = []
    with abtem.config.set(_quiet()), dask.config.set(scheduler="synchronous"):
        for lazy in (False, True):
            phonons = abtem.FrozenPhonons(_gold(), num_configs=2, sigmas=0.1, seed=3)
            potential = abtem.Potential(
                phonons, gpts=96, slice_thickness=2.0, integrator=StructureFactorIntegrals()
            )
            wave = abtem.PlaneWave(energy=300e3).multislice(potential, lazy=lazy)
            waves.append((wave.compute() if lazy else wave).array)
    difference = float(np.abs(waves[0] - waves[1]).max())
    return (
        Check(name="lazy minus eager multislice", measured=difference, expected=0.0, tolerance=1e-4),
        Check(
            name="phonon configurations are distinct",
            measured=float(np.abs(waves[0][0] - waves[0][1]).max() > 1e-2),
            expected=1.0,
            tolerance=0.0,
        ),
    )


def check_batching() -> tuple[Check, ...]:
    """Check that the phonon average does not depend on what is calculated together."""
    from simulate.exit_wave import WaveRecipe, exit_waves, phonon_wave

    recipe = WaveRecipe(frozen_phonons=3, slice_thickness=2.0)
    sigma = {"Au": 0.088}
    together = exit_waves(_gold(), recipe, displacements=sigma, seed=(1, 2)).waves
    alone = np.stack(
        [
            phonon_wave(_gold(), recipe, displacements=sigma, seed=(1, 2), configuration=index)
            for index in (2, 0, 1)
        ]
    )
    difference = np.abs((np.abs(together) ** 2).mean(0) - (np.abs(alone) ** 2).mean(0)).max()
    return (
        Check(name="phonon average by batches", measured=float(difference), expected=0.0, tolerance=1e-6),
    )


def check_slice_edges() -> tuple[Check, ...]:
    """Check that an atom on a slice boundary or a face of the box keeps its whole potential."""
    import abtem
    from ase import Atoms

    from simulate.projection import StructureFactorIntegrals

    sums = []
    with abtem.config.set(_quiet()):
        for height in (0.0, 1.0, 3.3, 4.0, 7.0, 10.0 - 1e-13):
            atom = Atoms("Au", positions=[(4.03, 3.96, height)], cell=(8, 8, 10), pbc=True)
            potential = abtem.Potential(
                atom, gpts=80, slice_thickness=1.0, integrator=StructureFactorIntegrals()
            )
            sums.append(float(potential.build(lazy=False).array.sum()))
    return (
        Check(
            name="potential of an atom on slice boundaries, least to most",
            measured=min(sums) / max(sums),
            expected=1.0,
            tolerance=1e-5,
        ),
    )


def check_transfer_function() -> tuple[Check, ...]:
    """Compare the transfer function with abTEM's."""
    import abtem

    from simulate.optics import Optics, transfer_function

    optics = Optics(
        energy=300e3,
        defocus=60.0,
        Cs=-9e4,
        astigmatism=20.0,
        astigmatism_angle=0.4,
        coma=400.0,
        coma_angle=1.1,
        angular_spread=0.2,
    )
    other = abtem.CTF(
        energy=300e3,
        defocus=60.0,
        Cs=-9e4,
        astigmatism=20.0,
        astigmatism_angle=0.4,
        coma=400.0,
        coma_angle=1.1,
        angular_spread=0.2 * np.sqrt(2),
        gpts=(96, 128),
        sampling=(0.2, 0.2),
    )
    with abtem.config.set({**_quiet(), "precision": "float64"}):
        reference = other._evaluate_kernel().T
    difference = np.abs(transfer_function(optics, (128, 96), 0.2).numpy() - reference).max()
    return (
        Check(
            name="transfer function minus abTEM's", measured=float(difference), expected=0.0, tolerance=1e-6
        ),
    )


def _gold() -> Atoms:
    """Return eight cells of gold in a small box."""
    from ase.build import bulk

    atoms = bulk("Au", "fcc", a=4.0782, cubic=True).repeat((2, 2, 2))
    atoms.set_cell([16.0, 16.0, 12.0])
    atoms.center()
    return atoms


def _quiet() -> dict[str, object]:
    return {
        "device": "cpu",
        "precision": "float32",
        "fft": "fftw",
        "fftw.planning_effort": "FFTW_ESTIMATE",
        "diagnostics.progress_bar": False,
    }


def _mean_square(wave: np.ndarray) -> float:
    return float((np.abs(wave) ** 2).mean())
