"""How well the map about each atom is the one that the atoms would make."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nanonet.atoms.existence import highest_near
from nanonet.atoms.gaussian_atoms import GaussianAtoms, draw
from nanonet.atoms.scene import Scene

_AT_ONCE = 500


def validation_correlations(scene: Scene, atoms: GaussianAtoms, *, radius: float) -> Float[np.ndarray, " n"]:
    """Return the correlation of map and simulated map among the voxels within ``radius`` [Å] of each atom.

    The simulated map is that of all atoms, so that neighbours' tails count on both sides.
    """
    density, voxel_size = scene.density, scene.voxel_size
    shape = (density.shape[0], density.shape[1], density.shape[2])
    simulated = scene.seen(draw(atoms, shape, voxel_size))
    half = int(np.ceil(radius / voxel_size))
    ball = np.indices((2 * half + 1,) * 3).reshape(3, -1).T - half
    ball = ball[(ball**2).sum(axis=1) <= (radius / voxel_size) ** 2]
    found = np.empty(len(atoms))
    for start in range(0, len(atoms), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        index = np.rint(atoms.positions[part] / voxel_size).astype(int)[:, None, ::-1] + ball
        index = np.clip(index, 0, np.array(shape) - 1)
        at = tuple(np.moveaxis(index, -1, 0))
        found[part] = _correlations(density[at].astype(float), simulated[at].astype(float))
    return found


def _correlations(one: Float[np.ndarray, "n v"], other: Float[np.ndarray, "n v"]) -> Float[np.ndarray, " n"]:
    one, other = one - one.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    size = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return np.asarray((one * other).sum(axis=1) / np.maximum(size, 1e-30))


def largest_intensities(
    density: Float[np.ndarray, "z y x"], atoms: GaussianAtoms, voxel_size: float
) -> Float[np.ndarray, " n"]:
    """Return the largest intensity of the map within 0.6 Å of each atom."""
    return highest_near(density, atoms.positions, voxel_size).scores
