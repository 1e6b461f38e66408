"""From a map to atoms: sought by a false-discovery rate, fitted together, completed by the lattice."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from scipy.spatial import cKDTree

from nanonet.atoms.complete import Completed, Judge, completed
from nanonet.atoms.crystal import Crystal
from nanonet.atoms.detected import Detected
from nanonet.atoms.errors import with_usual_errors
from nanonet.atoms.existence import chance_of_noise, score_of
from nanonet.atoms.fit import fit, typical_spread
from nanonet.atoms.gaussian_atoms import GaussianAtoms, draw
from nanonet.atoms.grains import fit_grains
from nanonet.atoms.noise import coverage, half_map_noise, particle_mask, softened, spectrum
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
_SEARCHES = 6
"""Searches where noise is not seen by itself, but has to be taken anew from what the atoms leave."""
_LITTLE = 0.15
"""Standard deviation of noise that is added to maps that may have none, over the map's own."""
_QUIET = 3.0
_EMPTY = 1e-4
"""Of the variance of a map, below which its outside was masked."""
_PATCH = 4.0
"""U of what is no atom, over the median of all."""
_AROUND_ATOMS = 0.6
"""U [Å²] of Gaussians that are above a third of their peak within 1.2 Å: what counts as about the atoms."""
_CROWDED = 4
"""Power of the share of its surroundings [1 Å] about atoms by which a voxel there counts."""


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

    rate: float = 0.05
    searches: int = 2
    lattice_prior: bool = True
    apart: float = 0.7
    likely: float = 0.5


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
    whole, where = scene_of(volume)
    corner, part = box_of(where)
    scene, where = replace(whole, density=whole.density[part]), where[part]
    u_iso = usual_u_iso(scene)
    scene, atoms = _begun(scene, where, u_iso, crystal, settings)
    if not len(atoms):
        raise InputError("the map shows no atoms: nothing rises from its noise as an atom would")
    grains = fit_grains(atoms.positions, crystal) if settings.lattice_prior else ()
    found = None
    if grains:
        chance = chance_of_noise(scene, u_iso, np.random.default_rng(0))
        judge = Judge(scene=scene, u_iso=u_iso, chance=chance, likely=settings.likely, crystal=crystal)
        found = completed(judge, atoms, grains)
    if found is None:
        found = _alone(scene, atoms, u_iso, where, settings.rate)
    if not len(found.fit.atoms):
        raise InputError(
            "the map shows no atoms: none is left after those that noise explains are removed; are its atoms "
            "bright, and is the voxel size right?"
        )
    shift = corner * volume.voxel_size
    moved = replace(found.fit.atoms, positions=found.fit.atoms.positions + shift)
    whole = replace(whole, noise=scene.noise)
    return Detected(
        fit=replace(found.fit, atoms=moved),
        probability=found.probability,
        scores=score_of(moved, scene, u_iso),
        grains=fit_grains(moved.positions, crystal, near=grains) if grains else (),
        scene=whole,
        denoised=whole.scores(whole.density, u_iso),
        hidden=found.hidden + shift,
        hidden_probability=found.hidden_probability,
    )


def box_of(
    where: Bool[np.ndarray, "z y x"],
) -> tuple[Int[np.ndarray, " 3"], tuple[slice, slice, slice]]:
    """Return the first voxel (x, y, z) of the part of a map that is searched, and the part."""
    z, y, x = ndimage.find_objects(where.astype(np.int8))[0]
    return np.array([x.start, y.start, z.start]), (z, y, x)


def _begun(
    scene: Scene, where: Bool[np.ndarray, "z y x"], u_iso: float, crystal: Crystal, settings: Detection
) -> tuple[Scene, GaussianAtoms]:
    """Return the first atoms; where no noise is seen by itself, of the map with a little if that will do.

    A map without any noise is fitted as if it had that; where a mask has emptied the outside, the atoms leave
    more of the map than was added, and tell the noise.
    """
    if not scene.noise_shown:
        added = _with_little_noise(scene)
        found, atoms = _first(added, where, u_iso, crystal, settings)
        if np.median(found.noise.power / added.noise.power) < _QUIET:
            return found, atoms
    return _first(scene, where, u_iso, crystal, settings)


def _with_little_noise(scene: Scene) -> Scene:
    """Return a scene with white noise that has a fixed share of its variance, where that is not empty."""
    values = scene.density[scene.density != 0]
    deviation = _LITTLE * float(values.std() if len(values) else 1.0)
    rng = np.random.default_rng(0)
    density = scene.density + rng.normal(scale=deviation, size=scene.density.shape).astype(np.float32)
    power = np.full(len(scene.noise.frequency), deviation**2 * scene.voxel_size**3)
    noise = replace(scene.noise, power=power, highest=float(scene.noise.frequency[-1]))
    return replace(scene, density=density, noise=noise, noise_shown=True)


def _first(
    scene: Scene, where: Bool[np.ndarray, "z y x"], u_iso: float, crystal: Crystal, settings: Detection
) -> tuple[Scene, GaussianAtoms]:
    """Return the atoms seen without a lattice, and the scene with noise of at least the residual's."""
    apart = settings.apart * crystal.bond_length
    atoms = GaussianAtoms(positions=np.zeros((0, 3)), weights=np.zeros(0), u_iso=np.zeros(0))
    for turn in range(settings.searches if scene.noise_shown else _SEARCHES):
        added = new_atoms(
            scene, scene.residual(atoms), where, u_iso, known=atoms.positions, apart=apart, rate=settings.rate
        )
        if not len(added):
            break
        atoms = fit(
            scene, atoms.joined(added), typical_spread(atoms.joined(added)), rounds=4, enough=0.02
        ).atoms
        atoms = _plausible(atoms, apart)
        if not turn or not scene.noise_shown:
            scene = _with_residual(scene, atoms)
    return scene, atoms


def scene_of(volume: Volume) -> tuple[Scene, Bool[np.ndarray, "z y x"]]:
    """Return a map with its noise, and where there may be atoms."""
    density = np.asarray(volume.density, dtype=np.float32)
    inside = particle_mask(density, volume.voxel_size)
    away = _distances(inside, volume.voxel_size)
    outside = away > _OUTSIDE
    measured = coverage(density, volume.voxel_size)
    shown = volume.half_maps is not None or _shows_noise(density, outside)
    if volume.half_maps is not None:
        noise = half_map_noise(*volume.half_maps, density, volume.voxel_size, coverage=measured)
    else:
        window = softened(outside, volume.voxel_size) if shown else None
        noise = spectrum(density, volume.voxel_size, window, measured)
    level = float(np.median(density[outside])) if outside.any() else float(np.median(density))
    scene = Scene(density=density - level, voxel_size=volume.voxel_size, noise=noise, noise_shown=shown)
    return scene, away < _AROUND


def _shows_noise(density: Float[np.ndarray, "z y x"], outside: Bool[np.ndarray, "z y x"]) -> bool:
    """Return whether the outside of a particle is there, and no mask has emptied it."""
    if outside.mean() <= _ENOUGH_OUTSIDE:
        return False
    values = density[outside]
    # Some maps are cut off at 0: most of their outside is, but not all.
    usual = float(np.quantile(np.abs(values - np.median(values)), 0.9))
    return bool(usual**2 > _EMPTY * float(density.var()))


def _distances(inside: Bool[np.ndarray, "z y x"], voxel_size: float) -> Float[np.ndarray, "z y x"]:
    """Return distances [Å] from a region that is smooth over 2 Å, so that every second voxel is enough."""
    step = 2 if voxel_size < 0.7 else 1
    coarse = ndimage.distance_transform_edt(~inside[::step, ::step, ::step]) * (step * voxel_size)
    for axis, size in enumerate(inside.shape):
        coarse = np.repeat(coarse, step, axis=axis).take(np.arange(size), axis=axis)
    return np.asarray(coarse, dtype=np.float32)


def _with_residual(scene: Scene, atoms: GaussianAtoms) -> Scene:
    """Return the scene with noise of at least what is left about the atoms; of just that if none was seen.

    Where they are crowded counts most: there the model of the map errs most.
    """
    even = replace(atoms, weights=np.ones(len(atoms)), u_iso=np.full(len(atoms), _AROUND_ATOMS))
    near = draw(even, scene.grid.shape, scene.voxel_size) > 0.3 * even.peaks[0]
    share = ndimage.gaussian_filter(near.astype(np.float32), 1.0 / scene.voxel_size, mode="nearest")
    window = near * (share / max(float(share.max()), 1e-6)) ** _CROWDED
    left = spectrum(scene.residual(atoms), scene.voxel_size, window, scene.noise.coverage)
    return replace(scene, noise=scene.noise.with_at_least(left) if scene.noise_shown else left)


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
) -> Completed:
    """Return the fit of atoms that no lattice speaks for, and the probability of each by its score alone."""
    volume, width = float(where.sum()) * scene.voxel_size**3, template_width(scene.noise, u_iso)
    probability = np.ones(len(atoms))
    for _ in range(2):
        found = fit(scene, atoms, typical_spread(atoms), rounds=5)
        atoms = _sound(found.atoms, scene)
        scores = score_of(atoms, scene, u_iso)
        order = np.argsort(-scores, kind="stable")
        peaks = Peaks(positions=atoms.positions[order], scores=scores[order])
        kept = order[false_discovery_rates(peaks, volume, width) < rate]
        atoms = atoms.subset(kept)
        probability = 1 - local_false_discovery_rates(scores[kept], volume, width)
    spread = typical_spread(atoms)
    found = with_usual_errors(scene, fit(scene, atoms, spread, rounds=2), np.zeros(len(atoms)), spread)
    none = np.zeros((0, 3))
    return Completed(fit=found, probability=probability, hidden=none, hidden_probability=np.zeros(0))


def _sound(atoms: GaussianAtoms, scene: Scene) -> GaussianAtoms:
    """Return the atoms that lie within the map and are no smooth patch of background."""
    far = np.array(scene.density.shape)[::-1] * scene.voxel_size
    within = ((atoms.positions > -scene.voxel_size) & (atoms.positions < far)).all(axis=1)
    return atoms.subset(within & (atoms.u_iso < _PATCH * np.median(atoms.u_iso)))
