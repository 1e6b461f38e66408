"""Physics of HAADF that must hold on this machine, in seconds: a part of `nanonet doctor --physics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from simulate.check import Check
from simulate.stem.matrix import ScatteringMatrix
from simulate.stem.potential import ABTEM_SETTINGS, Scattering
from simulate.stem.probe import Annulus, Probe

if TYPE_CHECKING:
    from abtem import CTF
    from abtem.prism.s_matrix import SMatrixArray
    from ase import Atoms

SCATTERING = Scattering(frozen_phonons=1, sampling=0.05, slice_thickness=2.0)
DISPLACEMENTS = {"Au": 0.088}
ANNULI = (Annulus(inner=80.0, outer=160.0), Annulus(inner=40.0, outer=100.0))
ABERRATED = Probe(defocus=30.0, Cs=1e5, astigmatism=20.0, astigmatism_angle=0.4, coma=400.0, coma_angle=1.1)


def run_stem_selftests() -> tuple[Check, ...]:
    """Run all checks of HAADF."""
    return (
        *check_probe_norm(),
        *check_vacuum(),
        *check_prism(),
        *check_reduction(),
        *check_configurations(),
    )


def check_probe_norm() -> tuple[Check, ...]:
    """Check that the probe holds one electron, and is abTEM's."""
    import abtem

    from simulate.stem.multislice import abtem_probe
    from simulate.stem.probe import probe_wave

    wave = probe_wave(ABERRATED, (240, 200), (12.0, 10.0), (1.3, 2.7)).numpy()
    with abtem.config.set(dict(ABTEM_SETTINGS)):
        other = abtem_probe(ABERRATED, 0.0)
        other.grid.extent, other.grid.gpts = (10.0, 12.0), (200, 240)
        array = np.asarray(other.build(abtem.CustomScan(np.array([[2.7, 1.3]])), lazy=False).array)[0].T
    difference = np.abs(wave - array / np.linalg.norm(array)).max() / np.abs(wave).max()
    return (
        Check(
            name="norm of the probe", measured=float((np.abs(wave) ** 2).sum()), expected=1.0, tolerance=1e-5
        ),
        Check(name="probe minus abTEM's", measured=float(difference), expected=0.0, tolerance=1e-5),
    )


def check_vacuum() -> tuple[Check, ...]:
    """Check that all of the beam falls on a disk in vacuum, whatever the interpolation."""
    from ase import Atoms

    from simulate.stem.potential import phonon_potential
    from simulate.stem.prism import scattering_matrices
    from simulate.stem.reduction import reduce_grid

    empty = Atoms(cell=(10.0, 10.0, 4.0), pbc=True)
    disk = (Annulus(inner=0.0, outer=60.0),)
    coarse = replace(SCATTERING, sampling=0.1)
    potential = phonon_potential(empty, coarse, {}, (0,), energy=200e3)
    checks = []
    for interpolation in (1, 2):
        (matrix,) = scattering_matrices(potential, [ABERRATED], disk, interpolation=interpolation)
        part = reduce_grid(matrix, [ABERRATED], disk, (4, 4))
        checks.append(
            Check(
                name=f"beam in vacuum, PRISM interpolation {interpolation}",
                measured=float(part.mean()),
                expected=1.0,
                tolerance=1e-4,
            )
        )
    return tuple(checks)


def check_prism() -> tuple[Check, ...]:
    """Check PRISM without interpolation against multislice, at two thicknesses."""
    from simulate.stem.multislice import haadf_multislice, scan_grid
    from simulate.stem.prism import column_library_images

    atoms = gold()
    height = float(atoms.cell[2, 2])
    depths = (height / 2, height)
    found = column_library_images(
        atoms, [ABERRATED], ANNULI, SCATTERING, displacements=DISPLACEMENTS, seed=(1,), depths=depths
    )
    thin = (slice(None, None, 12), slice(None, None, 12))
    positions = scan_grid(found.sides, (found.images.shape[-2], found.images.shape[-1]))[thin]
    checks = []
    means = []
    for plane, depth in enumerate(depths):
        # Focused in the middle of this thickness, as the library is.
        probe = replace(ABERRATED, defocus=ABERRATED.defocus + (depth - height) / 2)
        reference = haadf_multislice(
            atoms,
            probe,
            ANNULI,
            SCATTERING,
            displacements=DISPLACEMENTS,
            seed=(1,),
            positions=positions,
            depths=depths,
        )[:, plane]
        sampled = found.images[0, :, plane][(slice(None), *thin)]
        means.append((sampled[0].mean(), reference[0].mean()))
        checks.append(
            Check(
                name=f"PRISM minus multislice behind {depth:.0f} Å, largest to mean",
                measured=_difference(sampled, reference),
                expected=0.0,
                tolerance=1e-4,
            )
        )
    (prism_thin, multislice_thin), (prism_thick, multislice_thick) = means
    growth = Check(
        name="growth of HAADF with thickness",
        measured=float(prism_thick / prism_thin),
        expected=float(multislice_thick / multislice_thin),
        tolerance=1e-3,
    )
    return (*checks, growth)


def check_reduction() -> tuple[Check, ...]:
    """Check the batched reduction against abTEM's, with and without interpolation, and at any position."""
    from simulate.stem.multislice import scan_grid
    from simulate.stem.potential import phonon_potential
    from simulate.stem.prism import scattering_matrices
    from simulate.stem.reduction import reduce_grid, reduce_positions

    potential = phonon_potential(gold(), SCATTERING, DISPLACEMENTS, (1,), energy=200e3)
    checks = []
    for interpolation in (1, 2):
        (matrix,) = scattering_matrices(potential, [ABERRATED], ANNULI, interpolation=interpolation)
        grid = scan_grid(matrix.sides, (12, 12))
        for name, found, positions in (
            ("grid", reduce_grid(matrix, [ABERRATED], ANNULI, (12, 12)).numpy(), grid),
            ("any", reduce_positions(matrix, [ABERRATED], ANNULI, grid[3] + 0.011).numpy(), grid[3] + 0.011),
        ):
            reference = abtem_reduction(matrix, ABERRATED, ANNULI, positions.reshape(-1, 2))
            checks.append(
                Check(
                    name=f"reduction minus abTEM's, interpolation {interpolation}, {name}, largest to mean",
                    measured=_difference(found[0].reshape(reference.shape), reference),
                    expected=0.0,
                    tolerance=1e-3,
                )
            )
    return tuple(checks)


def check_configurations() -> tuple[Check, ...]:
    """Check that phonon configurations are distinct, and their mean is not scaled by their number."""
    from simulate.stem.prism import haadf_prism

    def mean(configurations: int, sigma: float, seed: int) -> Float[np.ndarray, "y x"]:
        found = haadf_prism(
            gold(),
            [Probe()],
            ANNULI[1:],
            replace(SCATTERING, frozen_phonons=configurations, sampling=0.08),
            displacements={"Au": sigma},
            seed=(seed,),
            interpolation=2,
        )
        return np.asarray(found.images[0, 0, 0])

    single, several = mean(1, 0.0, 0), mean(3, 0.0, 0)
    one, two = mean(1, 0.088, 0), mean(2, 0.088, 0)
    return (
        Check(
            name="three equal phonon configurations to one",
            measured=float(several.mean() / single.mean()),
            expected=1.0,
            tolerance=1e-5,
        ),
        Check(
            name="phonon configurations of HAADF are distinct",
            measured=float(np.abs(two - one).max() > 1e-3 * one.mean()),
            expected=1.0,
            tolerance=0.0,
        ),
    )


def abtem_reduction(
    matrix: ScatteringMatrix, probe: Probe, annuli: Sequence[Annulus], positions: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "annulus n"]:
    """Return what abTEM's own reduction makes of a scattering matrix, at positions (y, x) [Å]."""
    import abtem

    detectors = [abtem.AnnularDetector(inner=a.inner, outer=a.outer) for a in annuli]
    with abtem.config.set(dict(ABTEM_SETTINGS)):
        measured = abtem_matrix(matrix).reduce(
            scan=abtem.CustomScan(np.ascontiguousarray(positions[:, ::-1])),
            ctf=abtem_ctf(probe),
            detectors=detectors,
        )
    results = measured if len(annuli) > 1 else [measured]
    return np.stack([np.asarray(result.array).reshape(-1) for result in results])


def abtem_ctf(probe: Probe) -> CTF:
    """Return abTEM's transfer function of a probe."""
    import abtem

    return abtem.CTF(
        energy=probe.energy,
        semiangle_cutoff=probe.semiangle_cutoff,
        defocus=probe.defocus,
        Cs=probe.Cs,
        astigmatism=probe.astigmatism,
        astigmatism_angle=probe.astigmatism_angle,
        coma=probe.coma,
        coma_angle=probe.coma_angle,
    )


def abtem_matrix(matrix: ScatteringMatrix) -> SMatrixArray:
    """Return a scattering matrix as abTEM's: (beam, x, y), the beam along the axis first.

    abTEM scales plane waves so that the Fourier sum of one over its window is 1.
    """
    from abtem.prism.s_matrix import SMatrixArray

    order = np.argsort((matrix.lattice != 0).any(axis=1), kind="stable")
    vectors = (matrix.lattice / np.array(matrix.window_sides))[order, ::-1]
    waves = matrix.waves.numpy()[order].transpose(0, 2, 1) / np.float32(np.prod(matrix.window))
    return SMatrixArray(
        np.ascontiguousarray(waves),
        wave_vectors=np.ascontiguousarray(vectors, dtype=np.float32),
        semiangle_cutoff=100.0,  # the transfer function has its own
        energy=matrix.energy,
        interpolation=matrix.interpolation,
        extent=matrix.sides[::-1],
        window_gpts=matrix.window[::-1],
        device="cpu",
    )


def gold() -> Atoms:
    """Return eight cells of gold in a small box."""
    from ase.build import bulk

    atoms = bulk("Au", "fcc", a=4.0782, cubic=True).repeat((2, 2, 2))
    atoms.set_cell([10.0, 9.0, 12.0])
    atoms.center()
    atoms.pbc = True
    return atoms


def _difference(found: Float[np.ndarray, "..."], reference: Float[np.ndarray, "..."]) -> float:
    """Return the largest difference, relative to the mean of each annulus."""
    axes = tuple(range(1, reference.ndim))
    return float((np.abs(found - reference).max(axis=axes) / reference.mean(axis=axes)).max())
