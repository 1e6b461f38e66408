"""From a map to atoms: sought by a false-discovery rate, fitted together, completed by the lattice."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from scipy.spatial import cKDTree

from nanonet.atoms.complete import Judge, completed
from nanonet.atoms.crystal import Crystal
from nanonet.atoms.existence import chance_of_noise, score_of
from nanonet.atoms.fit import Fit, fit, typical_spread
from nanonet.atoms.gaussian_atoms import GaussianAtoms
from nanonet.atoms.lattice import LatticeFit, fit_lattice
from nanonet.atoms.noise import half_map_noise, particle_mask, spectrum
from nanonet.atoms.scene import Peaks, Scene, template_width
from nanonet.atoms.search import (
    false_discovery_rates,
    local_false_discovery_rates,
    new_atoms,
    usual_u_iso,
)
from nanonet.records import InputError, Volume

_OUTSIDE = 2.0
"""Å from the particle, beyond which a map is noise."""
_AROUND = 3.5
"""Å about the particle that are searched."""
_ENOUGH_OUTSIDE = 0.03


@dataclass(frozen=True, kw_only=True)
class Detection:
    """Settings of the search.

    Parameters
    ----------
    rate
        False-discovery rate of atoms that are found without a lattice.
    searches
        Times that the residual map is searched.
    lattice_prior
        Whether sites of the lattice are proposed, and judged with what neighbours tell.
    apart
        Least distance of two atoms, over that in the bulk crystal.
    likely
        Probability above which an atom is kept.
    """

    rate: float = 0.01
    searches: int = 2
    lattice_prior: bool = True
    apart: float = 0.7
    likely: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Detected:
    """The atoms of a map.

    Parameters
    ----------
    fit
        Atoms and their covariances.
    probability
        (n,) that there is an atom.
    scores
        (n,) matched filter, in deviations of the noise.
    lattice
        None where the atoms have none.
    scene
        The map they were found in, with its noise.
    u_iso
        Of the matched filter [Å²].
    """

    fit: Fit
    probability: Float[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]
    lattice: LatticeFit | None
    scene: Scene
    u_iso: float


def detect(volume: Volume, crystal: Crystal, settings: Detection = Detection()) -> Detected:
    """Return the atoms of a map, each with a probability and errors.

    The noise comes from half maps, else from outside of the particle; it is at least the residual's about the
    atoms. A matched filter finds the first atoms at a false-discovery rate; they are fitted together;
    the residual is searched again; then sites that the lattice proposes are judged.

    Raises
    ------
    InputError
        If the map shows no atoms.
    """
    scene, where = _scene(volume)
    u_iso = usual_u_iso(scene)
    apart = settings.apart * crystal.bond_length
    nothing = GaussianAtoms(positions=np.zeros((0, 3)), weights=np.zeros(0), u_iso=np.zeros(0))
    atoms = nothing
    for turn in range(settings.searches):
        added = new_atoms(
            scene, scene.residual(atoms), where, u_iso, known=atoms.positions, apart=apart, rate=settings.rate
        )
        if turn and not len(added):
            break
        atoms = fit(
            scene, atoms.joined(added), typical_spread(atoms.joined(added)), rounds=4, enough=0.02
        ).atoms
        atoms = _plausible(atoms, apart)
        if not turn:
            scene = _with_residual(scene, atoms)
    if not len(atoms):
        raise InputError("the map shows no atoms: nothing rises from its noise as an atom would")
    lattice = fit_lattice(atoms.positions, crystal)
    if lattice is None or not settings.lattice_prior:
        lattice = None
        found, probability = _alone(scene, atoms, u_iso, where, settings.rate)
    else:
        chance = chance_of_noise(scene, u_iso, np.random.default_rng(0))
        judge = Judge(scene=scene, u_iso=u_iso, chance=chance, likely=settings.likely, crystal=crystal)
        found, probability = completed(judge, atoms, lattice)
        lattice = fit_lattice(found.atoms.positions, crystal, near=lattice)
    return Detected(
        fit=found,
        probability=probability,
        scores=score_of(found.atoms, scene, u_iso),
        lattice=lattice,
        scene=scene,
        u_iso=u_iso,
    )


def _scene(volume: Volume) -> tuple[Scene, Bool[np.ndarray, "z y x"]]:
    density = np.asarray(volume.density, dtype=np.float32)
    inside = particle_mask(density, volume.voxel_size)
    away = ndimage.distance_transform_edt(~inside) * volume.voxel_size
    outside = away > _OUTSIDE
    if volume.half_maps is not None:
        noise = half_map_noise(*volume.half_maps, density, volume.voxel_size)
    elif outside.mean() > _ENOUGH_OUTSIDE:
        noise = spectrum(density, volume.voxel_size, outside)
    else:
        noise = spectrum(density, volume.voxel_size)
    level = float(np.median(density[outside])) if outside.any() else float(np.median(density))
    return Scene(density=density - level, voxel_size=volume.voxel_size, noise=noise), away < _AROUND


def _with_residual(scene: Scene, atoms: GaussianAtoms) -> Scene:
    """Return the scene with noise of at least what is left about the atoms."""
    grid = np.zeros(scene.density.shape, dtype=bool)
    at = np.rint(atoms.positions / scene.voxel_size).astype(int)[:, ::-1]
    grid[tuple(np.clip(at, 0, np.array(grid.shape) - 1).T)] = True
    near = ndimage.distance_transform_edt(~grid) * scene.voxel_size < 2.0
    left = spectrum(scene.residual(atoms), scene.voxel_size, near)
    return replace(scene, noise=scene.noise.with_at_least(left))


def _plausible(atoms: GaussianAtoms, apart: float) -> GaussianAtoms:
    """Return the atoms of positive weight, of two that came too near the heavier."""
    atoms = atoms.subset(atoms.weights > 0)
    kept = np.ones(len(atoms), dtype=bool)
    if len(atoms):
        for i, j in cKDTree(atoms.positions).query_pairs(0.6 * apart):
            kept[i if atoms.weights[i] < atoms.weights[j] else j] = False
    return atoms.subset(kept)


def _alone(
    scene: Scene, atoms: GaussianAtoms, u_iso: float, where: Bool[np.ndarray, "z y x"], rate: float
) -> tuple[Fit, Float[np.ndarray, " n"]]:
    """Return the fit of atoms that no lattice speaks for, and the probability of each by its score alone."""
    volume, width = float(where.sum()) * scene.voxel_size**3, template_width(scene.noise, u_iso)
    probability = np.ones(len(atoms))
    for _ in range(2):
        found = fit(scene, atoms, typical_spread(atoms), rounds=5)
        scores = score_of(found.atoms, scene, u_iso)
        order = np.argsort(-scores, kind="stable")
        peaks = Peaks(positions=found.atoms.positions[order], scores=scores[order])
        kept = order[false_discovery_rates(peaks, volume, width) < rate]
        atoms = found.atoms.subset(kept)
        probability = 1 - local_false_discovery_rates(scores[kept], volume, width)
    return fit(scene, atoms, typical_spread(atoms), rounds=2), probability
