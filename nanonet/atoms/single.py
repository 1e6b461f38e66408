"""Atoms as the published program SINGLE finds them: by a threshold, components and their centres of mass.

Wietfeldt et al. (2024), as the paper has it; docs/atoms.md says where the program differs. It is here to be
compared with: it knows neither noise nor neighbours, and gives no probabilities and no errors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.signal import oaconvolve
from scipy.spatial import cKDTree

from nanonet.atoms.agreement import validation_correlations
from nanonet.atoms.binarise import binarise, centres_of_mass, split
from nanonet.atoms.crystal import Crystal
from nanonet.atoms.detect import box_of, scene_of
from nanonet.atoms.detected import Detected
from nanonet.atoms.fit import Fit
from nanonet.atoms.form_factor import form_factor
from nanonet.atoms.gaussian_atoms import GaussianAtoms
from nanonet.atoms.grains import fit_grains
from nanonet.atoms.log_fit import RADIUS, log_fit
from nanonet.records import InputError, Volume

_REACH = 8
"""Voxels that a simulated atom reaches to."""
_DEVIATIONS = 2.0
_FEWEST = 3


@dataclass(frozen=True, kw_only=True)
class SingleDetection:
    """Settings of the published detection.

    Parameters
    ----------
    split
        Whether components that are no single atom are split.
    remove_unlike
        Whether atoms go whose validation correlation is more than two deviations below the mean.
    remove_lone
        Whether atoms go that have fewer than three neighbours.
    radius
        Of an atom [Å]; None is 0.4 of the bond length: 1.1 Å for platinum.
    """

    split: bool = True
    remove_unlike: bool = True
    remove_lone: bool = True
    radius: float | None = None


def detect_single(
    volume: Volume, crystal: Crystal, settings: SingleDetection = SingleDetection()
) -> Detected:
    """Return the atoms of a map by the published detection, without probabilities and errors (NaN).

    Raises
    ------
    InputError
        If the map shows no atoms.
    """
    whole, where = scene_of(volume)
    corner, part = box_of(where)
    scene, where = replace(whole, density=whole.density[part]), where[part]
    voxel = volume.voxel_size
    radius = RADIUS * crystal.bond_length if settings.radius is None else settings.radius
    atom = simulated_atom(crystal.elements[0], voxel)
    denoised = np.where(where, oaconvolve(scene.density, atom, mode="same"), 0.0)
    cut = binarise(denoised, scene.density, lambda centres: _agreement(scene.density, centres, atom))
    labels = cut.labels
    if settings.split:
        labels = split(denoised, scene.density, labels, radius / voxel)
    positions = centres_of_mass(scene.density, labels) * voxel
    kept = np.isfinite(positions).all(axis=1)
    if settings.remove_unlike:
        like = validation_correlations(
            scene, _gaussians(scene.density, positions, voxel), radius=1.5 * radius
        )
        kept &= like >= like.mean() - _DEVIATIONS * like.std()
    if settings.remove_lone:
        near = cKDTree(positions[kept]).query_ball_point(
            positions, crystal.bond_length * np.mean(crystal.shells) / crystal.shells[0], return_length=True
        )
        kept &= near - 1 >= _FEWEST
    if not kept.any():
        raise InputError(
            "the map shows no atoms: none is left after those unlike an atom and alone are removed"
        )
    atoms = _gaussians(whole.density, positions[kept] + corner * voxel, voxel)
    unknown = np.full(len(atoms), np.nan)
    every, all_labels = np.zeros(whole.density.shape, np.float32), np.zeros(whole.density.shape, np.int32)
    every[part], all_labels[part] = denoised, _renumbered(labels, np.asarray(kept))
    return Detected(
        fit=Fit(atoms=atoms, covariances=np.full((len(atoms), 5, 5), np.nan)),
        probability=unknown,
        scores=unknown,
        grains=fit_grains(atoms.positions, crystal),
        scene=whole,
        denoised=every,
        binarised=replace(cut, labels=all_labels),
    )


def simulated_atom(element: str, voxel_size: float) -> Float[np.ndarray, "n n n"]:
    """Return the potential of an atom in the middle of a small box, in voxels of a size [Å].

    The form factor times exp(-B k²/4) with B = (4 voxels)², as the program blurs its atoms.
    """
    side = 2 * _REACH + 1
    k = np.fft.fftfreq(4 * side, voxel_size)
    length = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)
    band = form_factor(element, length) * np.exp(-((4 * voxel_size) ** 2) * length**2 / 4)
    whole = np.fft.fftshift(np.fft.ifftn(band).real)
    middle = 2 * side
    part = slice(middle - _REACH, middle + _REACH + 1)
    return np.asarray(whole[part, part, part])


def _agreement(
    density: Float[np.ndarray, "z y x"], centres: Float[np.ndarray, "n 3"], atom: Float[np.ndarray, "m m m"]
) -> float:
    """Return the correlation of a map with that of atoms at centres (x, y, z) in voxels."""
    spots = np.zeros(density.shape)
    low = np.floor(centres[:, ::-1]).astype(int)
    rest = centres[:, ::-1] - low
    for corner in np.ndindex(2, 2, 2):
        share = np.prod(np.where(corner, rest, 1 - rest), axis=1)
        index = np.clip(low + corner, 0, np.array(density.shape) - 1)
        np.add.at(spots, tuple(index.T), share)
    simulated = oaconvolve(spots, atom, mode="same")
    return float(np.corrcoef(simulated.ravel(), density.ravel())[0, 1])


def _gaussians(
    density: Float[np.ndarray, "z y x"], positions: Float[np.ndarray, "n 3"], voxel_size: float
) -> GaussianAtoms:
    """Return atoms of the peaks and U that logarithms of the map tell, else of the usual U."""
    apart = cKDTree(positions).query(positions, k=2)[0][:, 1] if len(positions) > 1 else np.array([2.5])
    radius = RADIUS * float(np.median(apart))
    peaks, u = log_fit(density, positions, voxel_size, radius)
    if not np.isfinite(u.u_iso).any():
        raise InputError("the map shows no atoms: nothing in it falls off as an atom does; are they bright?")
    usual = float(np.nanmedian(u.u_iso))
    u_iso = np.clip(np.nan_to_num(u.u_iso, nan=usual), 0.02, 2.0)
    return GaussianAtoms(positions=positions, weights=peaks * (2 * np.pi * u_iso) ** 1.5, u_iso=u_iso)


def _renumbered(labels: Int[np.ndarray, "z y x"], kept: Bool[np.ndarray, " n"]) -> Int[np.ndarray, "z y x"]:
    number = np.zeros(len(kept) + 1, dtype=np.int32)
    number[1:][kept] = np.arange(1, int(kept.sum()) + 1)
    return np.asarray(number[labels])
