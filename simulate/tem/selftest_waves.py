"""Self-tests of exit waves: norm, extinction, abTEM's own potential, phonons, slices, contrast of gold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulate.check import Check
from simulate.tem.exit_wave import Multislice, elastic_wave, phonon_wave, static_wave
from simulate.tem.optics import wavelength

if TYPE_CHECKING:
    from ase import Atoms

EXTINCTION_AL_220 = 1057.0
"""Å at 100 kV, of Hirsch et al., Electron Microscopy of Thin Crystals (1965), appendix 8."""


def check_waves() -> tuple[Check, ...]:
    """Run the checks of this module."""
    checks = (
        check_norm,
        check_extinction_distance,
        check_abtem_potential,
        check_elastic_wave,
        check_lazy,
        check_batching,
        check_slice_edges,
        check_contrast_reversal,
    )
    return tuple(check for function in checks for check in function())


def check_norm() -> tuple[Check, ...]:
    """Check that multislice keeps the wave's norm, but for what it scatters beyond the band limit."""
    wave = static_wave(gold(), Multislice(), 240)
    norm = float((np.abs(wave) ** 2).sum())
    return (Check(name="norm after multislice", measured=norm, expected=1.0, tolerance=3e-3),)


def check_extinction_distance() -> tuple[Check, ...]:
    """Compare the depth at which the 220 beam of aluminium is back with the two-beam extinction distance.

    The systematic row alone, tilted to the Bragg angle of 220: the first maximum of the beam lies at half the
    extinction distance, but for the weak beams of the row.
    """
    import abtem
    from ase.build import fcc100

    from simulate.tem.projection import StructureFactorIntegrals

    energy, thickness, slices = 100e3, 10.0, 130
    lattice = 4.0495
    cell = fcc100("Al", (1, 1, 2), a=lattice, periodic=True)
    period = float(cell.cell[0, 0])  # of the row 220, a / √2 along [110], twice the spacing of 220
    points = 48
    integrals = StructureFactorIntegrals().integrate_on_grid(
        cell, 0.0, lattice, (points, points), (period / points,) * 2
    )
    row = np.repeat(integrals.mean(axis=1, keepdims=True), 4, axis=1) * (thickness / lattice)
    bragg = 1e3 * wavelength(energy) * 2 / period / 2
    with abtem.config.set(quiet()):
        potential = abtem.PotentialArray(
            np.repeat(row[None].astype(np.float32), slices, axis=0),
            slice_thickness=thickness,
            extent=(period, 4 * period / points),
            exit_planes=1,
        )
        wave = abtem.PlaneWave(energy=energy, tilt=(-bragg, 0.0)).multislice(potential, lazy=False)
    beams = np.abs(np.fft.fft(wave.array[..., 0], axis=-1)) ** 2 / points**2
    intensities = np.maximum(beams[:, 2], beams[:, -2])
    crest = int(np.argmax(intensities[: round(0.9 * EXTINCTION_AL_220 / thickness)]))
    return (
        Check(
            name="extinction distance of Al 220 at 100 kV",
            measured=2 * thickness * crest,
            expected=EXTINCTION_AL_220,
            tolerance=0.05 * EXTINCTION_AL_220,
            unit="Å",
        ),
    )


def check_abtem_potential() -> tuple[Check, ...]:
    """Compare an exit wave with that of abTEM's own potential on a grid of half the sampling."""
    import abtem

    atoms = gold()
    side, height = float(atoms.cell[0, 0]), float(atoms.cell[2, 2])
    points = 80
    with abtem.config.set(quiet()):
        potential = abtem.Potential(atoms, gpts=320, slice_thickness=1.0)
        fine = abtem.PlaneWave(energy=300e3).multislice(potential, lazy=False).array.T
    kept = np.fft.fftfreq(points, 1 / points).round().astype(int)
    square = (kept / side)[:, None] ** 2 + (kept / side) ** 2
    back = (height + 1.0) / 2
    theirs = np.fft.fft2(fine)[np.ix_(kept, kept)] / 320**2
    theirs = theirs * np.exp(1j * np.pi * wavelength(300e3) * back * square)
    ours = static_wave(atoms, Multislice(), points)
    seen = (square < 1.5**2) & (square > 0)
    error = np.linalg.norm((ours - theirs)[seen]) / np.linalg.norm(theirs[seen])
    return (
        Check(
            name="exit wave minus abTEM's at 0.05 Å, share of what is scattered",
            measured=float(error),
            expected=0.0,
            tolerance=0.05,
        ),
    )


def check_elastic_wave() -> tuple[Check, ...]:
    """Compare the elastic wave with the mean of frozen phonons, in units of the mean's standard error."""
    atoms, sigma, points = gold(), {"Au": 0.088}, 80
    recipe = Multislice(slice_thickness=2.0)
    waves = np.stack([phonon_wave(atoms, recipe, sigma, points, (4, i)) for i in range(16)])
    mean = waves.mean(axis=0)
    noise = np.sqrt((np.abs(waves - mean) ** 2).sum() / 15 / 16)
    distance = np.linalg.norm(elastic_wave(atoms, recipe, sigma, points) - mean)
    return (
        Check(
            name="elastic wave minus mean of 16 phonon configurations, standard errors",
            measured=float(distance / noise),
            expected=1.0,
            tolerance=0.6,
        ),
    )


def check_lazy() -> tuple[Check, ...]:
    """Check that abTEM calculates frozen phonons eagerly as it does lazily, and each anew."""
    import abtem
    import dask

    from simulate.tem.projection import StructureFactorIntegrals

    waves = []
    with abtem.config.set(quiet()), dask.config.set(scheduler="synchronous"):
        for lazy in (False, True):
            phonons = abtem.FrozenPhonons(gold(), num_configs=2, sigmas=0.1, seed=3)
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
    """Check that a phonon configuration does not depend on what is calculated before it."""
    recipe, sigma = Multislice(slice_thickness=2.0), {"Au": 0.088}
    waves = [
        {i: phonon_wave(gold(), recipe, sigma, 80, (1, 2, i)) for i in order} for order in ((0, 1), (1, 0))
    ]
    difference = max(float(np.abs(waves[0][i] - waves[1][i]).max()) for i in (0, 1))
    return (
        Check(
            name="phonon configurations in another order", measured=difference, expected=0.0, tolerance=0.0
        ),
    )


def check_slice_edges() -> tuple[Check, ...]:
    """Check that an atom on a slice boundary or a face of the box keeps its whole potential."""
    import abtem
    from ase import Atoms

    from simulate.tem.projection import StructureFactorIntegrals
    from simulate.tem.thermal import averaged_potential

    whole, mean = [], []
    with abtem.config.set(quiet()):
        for height in (0.0, 1.0, 3.3, 4.0, 7.0, 10.0 - 1e-13):
            atom = Atoms("Au", positions=[(4.03, 3.96, height)], cell=(8, 8, 10), pbc=True)
            potential = abtem.Potential(
                atom, gpts=80, slice_thickness=1.0, integrator=StructureFactorIntegrals()
            )
            whole.append(float(potential.build(lazy=False).array.sum()))
            averaged = averaged_potential(atom, 80, 10, displacements={"Au": 0.088}, energy=300e3)
            mean.append(float(averaged.real.sum()))
    return tuple(
        Check(
            name=f"{name} of an atom on slice boundaries, least to most",
            measured=min(sums) / max(sums),
            expected=1.0,
            tolerance=1e-5,
        )
        for name, sums in (("potential", whole), ("averaged potential", mean))
    )


def check_contrast_reversal() -> tuple[Check, ...]:
    """Check that columns of gold [110] go from dark to bright with defocus and with thickness, as they must.

    A thin column is dark at underfocus of a lens with negative Cs, and bright at overfocus, the setting of
    negative-Cs imaging (Jia, Lentzen & Urban, Microsc. Microanal. 10 (2004) 174). In focus it is dark until
    the electrons that it channels come back in antiphase, after some 20 atoms.
    """
    return tuple(
        Check(
            name=f"contrast of Au [110] columns of {layers} atoms, defocus {defocus:g} Å",
            measured=float(np.sign(column_contrast(layers, defocus=defocus, Cs=-9e4))),
            expected=expected,
            tolerance=0.0,
        )
        for layers, defocus, expected in ((2, 60.0, -1.0), (2, -60.0, 1.0), (2, 0.0, -1.0), (30, 0.0, 1.0))
    )


def column_contrast(layers: int, *, defocus: float, Cs: float) -> float:
    """Return the intensity at a column of gold [110] minus the mean around it, 300 kV, of a coherent lens.

    Parameters
    ----------
    layers
        Atoms in the column.
    """
    import torch

    from simulate.tem.image import image_intensity
    from simulate.tem.optics import Optics

    atoms = gold_110(layers)
    side, points = float(atoms.cell[0, 0]), 120
    spectrum = static_wave(atoms, Multislice(slice_thickness=2.0), points) * points**2
    none = torch.zeros(0, points, points, dtype=torch.complex64)
    optics = Optics(energy=300e3, defocus=defocus, Cs=Cs, aperture=20.0)
    image = image_intensity(torch.from_numpy(spectrum), none, side / points, optics).numpy()
    middle, reach = points // 2, round(2.0 * points / side)
    around = image[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    return float(image[middle, middle] - around.mean())


def gold_110(layers: int) -> Atoms:
    """Return a patch of gold seen along [110] in a box of 24 Å, a column in its middle."""
    from ase import Atoms

    a = 4.0782
    repeat = a / np.sqrt(2)
    # The centred rectangle of columns: a · (i, j / √2), and its centre half a repeat deeper.
    corners = [(a * i, repeat * j, 0.0) for i in range(-2, 3) for j in range(-2, 3)]
    centres = [(a * (i + 0.5), repeat * (j + 0.5), 0.5) for i in range(-2, 2) for j in range(-2, 2)]
    positions = [
        (12 + x, 12 + y, 2 + repeat * (z + deeper))
        for x, y, deeper in corners + centres
        for z in range(layers)
    ]
    cell = (24.0, 24.0, repeat * (layers - 0.5) + 4)
    return Atoms(f"Au{len(positions)}", positions=positions, cell=cell, pbc=True)


def gold() -> Atoms:
    """Return eight cells of gold in a small box."""
    from ase.build import bulk

    atoms = bulk("Au", "fcc", a=4.0782, cubic=True).repeat((2, 2, 2))
    atoms.set_cell([16.0, 16.0, 12.0])
    atoms.center()
    return atoms


def quiet() -> dict[str, object]:
    """Return abTEM's settings of a check: one thread, float32, no progress bar."""
    return {
        "device": "cpu",
        "precision": "float32",
        "fft": "fftw",
        "fftw.threads": 1,
        "fftw.planning_effort": "FFTW_ESTIMATE",
        "diagnostics.progress_bar": False,
    }
