"""PRISM: scattering matrices by abTEM's multislice, and the images that follow from them.

`column_library_images` gives clean HAADF images of a periodic crystal at a series of thicknesses, from which
cross-sections of columns are calibrated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Complex64, Int

from nanonet.records import InputError
from simulate.stem.correlation import beam_correlation, correlated_images
from simulate.stem.matrix import ScatteringMatrix
from simulate.stem.potential import (
    ABTEM_SETTINGS,
    ScanImages,
    Scattering,
    box_sides,
    check_annuli,
    focus_depth,
    phonon_potential,
    slice_stops,
)
from simulate.stem.probe import Annulus, Probe, beam_lattice, fast_count, scan_points
from simulate.stem.reduction import reduce_grid

if TYPE_CHECKING:
    import torch
    from abtem.potentials.iam import PotentialArray
    from ase import Atoms

BATCH = 16
"""Plane waves that are propagated together."""
MEMORY = 12e9
"""Largest scattering matrix that is made [bytes]."""


def scattering_matrices(
    potential: PotentialArray,
    probes: Sequence[Probe],
    annuli: Sequence[Annulus],
    *,
    interpolation: int = 1,
    stops: Sequence[int] | None = None,
) -> Iterator[ScatteringMatrix]:
    """Yield the scattering matrix at each exit plane of a potential.

    Parameters
    ----------
    potential
        From `phonon_potential`: one phonon configuration.
    probes, annuli
        What the matrix must serve: waves up to the largest aperture enter, and are stored up to the largest
        angle, Fourier-cropped.
    interpolation
        Each that many'th plane wave is kept.
    stops
        Slices above each exit plane; None is the last only.
    """
    import torch

    energy = probes[0].energy
    cutoff, outer = max(p.semiangle_cutoff for p in probes), max(a.outer for a in annuli)
    sides = (float(potential.extent[1]), float(potential.extent[0]))
    period = (sides[0] / interpolation, sides[1] / interpolation)
    lattice = beam_lattice(energy, cutoff, period)
    shape = _stored_shape(energy, outer, period, interpolation)
    planes = [0, *(stops or [len(potential)])]
    _check_memory(len(lattice), shape, potential.gpts if len(planes) > 2 else (0, 0), interpolation)
    waves: Complex64[np.ndarray, "beam x y"] | None = None
    for start, stop in pairwise(planes):
        stored = torch.empty(len(lattice), *shape, dtype=torch.complex64)
        leaving = None if stop == planes[-1] else np.empty((len(lattice), *potential.gpts), np.complex64)
        for first in range(0, len(lattice), BATCH):
            batch = slice(first, first + BATCH)
            incident = (
                _plane_waves(potential, interpolation * lattice[batch]) if waves is None else waves[batch]
            )
            left = _multislice(incident, potential[start:stop], energy)
            stored[batch] = _fourier_crop(left, shape)
            if leaving is not None:
                leaving[batch] = left
        waves = leaving
        yield ScatteringMatrix(
            waves=stored, lattice=lattice, sides=sides, energy=energy, interpolation=interpolation
        )


def _stored_shape(
    energy: float, outer: float, period: tuple[float, float], interpolation: int
) -> tuple[int, int]:
    """Return the grid (y, x) that holds angles up to ``outer`` and divides into fast windows."""
    from simulate.tem.optics import wavelength

    # α < outer holds up to this harmonic, on both sides of the axis.
    least = [2 * np.floor(1e-3 * outer * side / wavelength(energy)) + 1 for side in period]
    return interpolation * fast_count(least[0], 4), interpolation * fast_count(least[1], 4)


def _check_memory(beams: int, stored: tuple[int, int], full: tuple[int, int], interpolation: int) -> None:
    size = 8.0 * beams * (np.prod(stored) + 2 * np.prod(full))
    if size > MEMORY:
        raise InputError(
            f"the scattering matrix of {beams} plane waves takes {size / 1e9:.0f} GB, at most "
            f"{MEMORY / 1e9:.0f} GB are used: interpolation above {interpolation}, or a smaller box"
        )


def _plane_waves(
    potential: PotentialArray, indices: Int[np.ndarray, "beam 2"]
) -> Complex64[np.ndarray, "beam x y"]:
    """Return plane waves of amplitude 1 with (my, mx) periods in the box, on abTEM's (x, y) grid."""
    factors = [
        np.exp(2j * np.pi * np.outer(m, np.arange(n)) / n).astype(np.complex64)
        for n, m in zip(potential.gpts, indices.T[::-1], strict=True)
    ]
    return np.asarray(factors[0][:, :, None] * factors[1][:, None, :])


def _multislice(
    waves: Complex64[np.ndarray, "beam x y"], potential: PotentialArray, energy: float
) -> Complex64[np.ndarray, "beam x y"]:
    import abtem
    from abtem.core.axes import UnknownAxis

    with abtem.config.set(dict(ABTEM_SETTINGS)):
        incident = abtem.Waves(
            waves, energy=energy, extent=potential.extent, ensemble_axes_metadata=[UnknownAxis()]
        )
        left = incident.multislice(potential)
        return np.asarray((left.compute() if left.is_lazy else left).array)


def _fourier_crop(waves: Complex64[np.ndarray, "beam x y"], shape: tuple[int, int]) -> torch.Tensor:
    """Return waves on a coarser grid (y, x); those on abTEM's (x, y)."""
    import torch

    spectra = torch.fft.fft2(torch.as_tensor(waves).transpose(1, 2), norm="forward")
    rows, columns = (
        torch.as_tensor(np.fft.fftfreq(n, 1 / n).round().astype(int) % full)
        for n, full in zip(shape, spectra.shape[1:], strict=True)
    )
    cropped: torch.Tensor = torch.fft.ifft2(spectra[:, rows[:, None], columns], norm="forward")
    return cropped


def haadf_prism(
    atoms: Atoms,
    probes: Sequence[Probe],
    annuli: Sequence[Annulus],
    scattering: Scattering,
    *,
    displacements: Mapping[str, float],
    seed: Sequence[int],
    interpolation: int = 1,
) -> ScanImages:
    """Return the clean images of atoms in their box by PRISM.

    Parameters
    ----------
    atoms
        In a rectangular box, periodic along x and y.
    probes
        Settings; all of one energy, without focal spread. Defocus 0 is the middle of the box.
    displacements
        Root mean square displacement along one axis by element [Å].
    seed
        Phonon configuration i is drawn from [*seed, i].
    interpolation
        Each that many'th plane wave; a probe's wave is that part of the box wide.

    Returns
    -------
    images
        (probe, annulus, 1, y, x) over the whole box; see `ScanImages`.
    """
    height = float(atoms.cell[2, 2])
    if interpolation == 1:
        return column_library_images(
            atoms, probes, annuli, scattering, displacements=displacements, seed=seed, depths=(height,)
        )
    points = _prepare(atoms, probes, annuli, scattering)
    points = (points[0] + -points[0] % interpolation, points[1] + -points[1] % interpolation)
    images = []
    for index in range(scattering.frozen_phonons):
        potential = phonon_potential(
            atoms, scattering, displacements, (*seed, index), energy=probes[0].energy
        )
        (matrix,) = scattering_matrices(potential, probes, annuli, interpolation=interpolation)
        focused = _focused(probes, height, potential)
        images.append(reduce_grid(matrix, focused, annuli, points).numpy())
    mean = np.mean(images, axis=0)[:, :, None]
    return ScanImages(images=mean, sides=box_sides(atoms), depths=(height,))


def column_library_images(
    atoms: Atoms,
    probes: Sequence[Probe],
    annuli: Sequence[Annulus],
    scattering: Scattering,
    *,
    displacements: Mapping[str, float],
    seed: Sequence[int],
    depths: Sequence[float],
) -> ScanImages:
    """Return clean HAADF images behind a series of thicknesses, by PRISM without interpolation.

    Equal to multislice. Takes time and memory with the square of the box' area: for cells of up to
    about 25 Å.

    Parameters
    ----------
    atoms
        In a rectangular box, periodic along x and y, with vacuum of at least 2 Å above.
    probes
        Settings; all of one energy, without focal spread. Defocus 0 is the middle of each thickness, from
        the top of the box to the exit plane.
    displacements, seed
        As in `haadf_prism`.
    depths
        Exit planes [Å] below the top of the box, increasing; put them between two layers of atoms.

    Returns
    -------
    images
        (probe, annulus, depth, y, x); see `ScanImages`.
    """
    points = _prepare(atoms, probes, annuli, scattering)
    sums: list[torch.Tensor] = []
    for index in range(scattering.frozen_phonons):
        potential = phonon_potential(
            atoms, scattering, displacements, (*seed, index), energy=probes[0].energy
        )
        stops = slice_stops(depths, float(atoms.cell[2, 2]), len(potential))
        for plane, matrix in enumerate(scattering_matrices(potential, probes, annuli, stops=stops)):
            correlation = beam_correlation(matrix, annuli)
            if index == 0:
                sums.append(correlation)
            else:
                sums[plane] += correlation
    images = []
    for depth, total in zip(depths, sums, strict=True):
        amplitudes = matrix.amplitudes(_focused(probes, depth, potential))
        mean = total / scattering.frozen_phonons
        images.append(correlated_images(mean, matrix.lattice, amplitudes, points))
    return ScanImages(
        images=np.stack([image.numpy() for image in images], axis=2),
        sides=matrix.sides,
        depths=tuple(depths),
    )


def _prepare(
    atoms: Atoms, probes: Sequence[Probe], annuli: Sequence[Annulus], scattering: Scattering
) -> tuple[int, int]:
    """Check what was asked for; return the scan points (y, x) that hold the images."""
    if not probes or not annuli:
        raise InputError("at least one probe and one annulus are needed")
    energy = probes[0].energy
    if any(probe.energy != energy for probe in probes):
        raise InputError("all probes must have one energy")
    check_annuli(annuli, scattering, energy)
    return scan_points(energy, max(probe.semiangle_cutoff for probe in probes), box_sides(atoms))


def _focused(probes: Sequence[Probe], depth: float, potential: PotentialArray) -> list[Probe]:
    """Return probes whose defocus counts from the top of the box, as abTEM has it."""
    middle = focus_depth(depth, float(potential.slice_thickness[0]))
    return [replace(probe, defocus=probe.defocus + middle) for probe in probes]
