"""The reference: a probe at a time through all slices, by abTEM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from simulate.stem.potential import ABTEM_SETTINGS, Scattering, check_annuli, focus_depth, phonon_potential
from simulate.stem.probe import Annulus, Probe

if TYPE_CHECKING:
    from abtem import Probe as AbtemProbe
    from abtem.potentials.iam import PotentialArray
    from ase import Atoms


def haadf_multislice(
    atoms: Atoms,
    probe: Probe,
    annuli: Sequence[Annulus],
    scattering: Scattering,
    *,
    displacements: Mapping[str, float],
    seed: Sequence[int],
    positions: Float[np.ndarray, "*scan 2"],
    depths: Sequence[float] | None = None,
) -> Float[np.ndarray, "annulus depth *scan"]:
    """Return the part of the beam on each annulus, the mean over phonon configurations.

    Parameters
    ----------
    atoms
        In a rectangular box, periodic along x and y.
    probe
        Without focal spread. Defocus 0 is the middle of the box.
    displacements
        Root mean square displacement along one axis by element [Å].
    seed
        Phonon configuration i is drawn from [*seed, i].
    positions
        (y, x) of the probe [Å]; for a whole image from `scan_grid`.
    depths
        Exit planes [Å] below the top of the box, increasing; None is the bottom of the box only.
    """
    check_annuli(annuli, scattering, probe.energy)
    signals = [
        _signals(
            phonon_potential(
                atoms, scattering, displacements, (*seed, index), energy=probe.energy, depths=depths
            ),
            probe,
            annuli,
            positions.reshape(-1, 2),
        )
        for index in range(scattering.frozen_phonons)
    ]
    mean = np.mean(signals, axis=0)
    return np.asarray(mean.reshape(*mean.shape[:2], *positions.shape[:-1]))


def scan_grid(sides: tuple[float, float], points: tuple[int, int]) -> Float[np.ndarray, "y x 2"]:
    """Return the positions (y, x) [Å] of a scan over a whole periodic box."""
    axes = [np.arange(n) * side / n for n, side in zip(points, sides, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _signals(
    potential: PotentialArray, probe: Probe, annuli: Sequence[Annulus], positions: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "annulus depth n"]:
    """Return the signals of one phonon configuration."""
    import abtem

    detectors = [abtem.AnnularDetector(inner=a.inner, outer=a.outer) for a in annuli]
    middle = focus_depth(float(potential.thickness), float(potential.slice_thickness[0]))
    with abtem.config.set(dict(ABTEM_SETTINGS)):
        measured = abtem_probe(probe, middle).multislice(
            potential,
            scan=abtem.CustomScan(positions[:, ::-1]),
            detectors=detectors,
            lazy=False,
            max_batch=16,
        )
    results = measured if len(annuli) > 1 else [measured]
    return np.stack([np.asarray(result.array).reshape(-1, len(positions)) for result in results])


def abtem_probe(probe: Probe, shift: float) -> AbtemProbe:
    """Return abTEM's probe, with a defocus larger by ``shift`` [Å]."""
    import abtem

    return abtem.Probe(
        energy=probe.energy,
        semiangle_cutoff=probe.semiangle_cutoff,
        defocus=probe.defocus + shift,
        Cs=probe.Cs,
        astigmatism=probe.astigmatism,
        astigmatism_angle=probe.astigmatism_angle,
        coma=probe.coma,
        coma_angle=probe.coma_angle,
    )
