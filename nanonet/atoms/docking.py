"""One model laid onto another: turned and shifted so that the most atoms coincide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from nanonet.atoms.crystal import Crystal
from nanonet.atoms.grains import fit_grains

_CLEAR = 0.98
"""Share of coinciding atoms above which no other pose is tried."""
_VOTES = 12
"""Shifts that are refined: the true one need not have the most votes, where it lies between cells."""
_REACH = 1.6
"""Bond lengths from the shift of the middles within which shifts are sought."""
_CELL = 0.12
"""Bond lengths that votes are counted over."""
_TIGHT = 0.25
"""Bond lengths within which two atoms coincide."""
_STEPS = 12


@dataclass(frozen=True, kw_only=True)
class Pose:
    """x → rotation · x + shift [Å], column vectors (x, y, z)."""

    rotation: Float[np.ndarray, "3 3"]
    shift: Float[np.ndarray, " 3"]

    def __call__(self, positions: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Return positions in the frame of the other model."""
        return np.asarray(positions @ self.rotation.T + self.shift)

    @property
    def angle(self) -> float:
        """Degrees that it turns."""
        return float(np.degrees(Rotation.from_matrix(self.rotation).magnitude()))


def dock(moving: Float[np.ndarray, "n 3"], fixed: Float[np.ndarray, "m 3"], crystal: Crystal) -> Pose:
    """Return the pose that lays the most atoms of one model onto those of another.

    As they lie is tried first; then, where both have lattices, the rotations that bring one onto the other.
    Shifts are those that most differences of positions agree upon; each is refined by pairs of nearest atoms
    (Besl and McKay, 1992; Kabsch, 1976).
    """
    best, most = Pose(rotation=np.eye(3), shift=np.zeros(3)), -1.0
    tree, tight = cKDTree(fixed), _TIGHT * crystal.bond_length
    for rotation in _rotations(moving, fixed, crystal):
        for shift in _shifts(moving @ rotation.T, fixed, tree, crystal):
            pose = _refined(Pose(rotation=rotation, shift=shift), moving, fixed, tree, crystal)
            off = tree.query(pose(moving), distance_upper_bound=tight)[0]
            near = off[np.isfinite(off)]
            score = float((1 - 0.5 * (near / tight) ** 2).sum()) / min(len(moving), len(fixed))
            if score > most:
                best, most = pose, score
            if len(near) > _CLEAR * min(len(moving), len(fixed)):
                return best
    return best


def _rotations(
    moving: Float[np.ndarray, "n 3"], fixed: Float[np.ndarray, "m 3"], crystal: Crystal
) -> Iterator[Float[np.ndarray, "3 3"]]:
    yield np.eye(3)
    one, other = fit_grains(moving, crystal), fit_grains(fixed, crystal)
    if not one or not other:
        return
    for symmetry in Rotation.create_group(crystal.rotations):
        for grain in other:
            yield grain.rotation @ symmetry.as_matrix() @ one[0].rotation.T


def _shifts(
    turned: Float[np.ndarray, "n 3"], fixed: Float[np.ndarray, "m 3"], tree: cKDTree, crystal: Crystal
) -> Iterator[Float[np.ndarray, " 3"]]:
    """Yield the shifts near that of the middles which the most pairs of atoms have in common.

    All atoms vote: shifts by a step of the lattice differ from the true one at the surface only.
    """
    middle = fixed.mean(axis=0) - turned.mean(axis=0)
    reach, cell = _REACH * crystal.bond_length, _CELL * crystal.bond_length
    near = tree.query_ball_point(turned + middle, reach)
    found = [fixed[some] - place - middle for some, place in zip(near, turned, strict=True) if some]
    if not found:
        yield middle
        return
    every = np.concatenate(found)
    size = int(np.ceil(reach / cell))
    edges = [(np.arange(2 * size + 2) - size - 0.5) * cell] * 3
    votes = ndimage.gaussian_filter(np.histogramdd(every, edges)[0], 1.0)
    summits = np.argwhere((votes == ndimage.maximum_filter(votes, 3)) & (votes > 0))
    order = np.argsort(-votes[tuple(summits.T)], kind="stable")
    for summit in summits[order[:_VOTES]]:
        yield middle + (summit - size) * cell


def _refined(
    pose: Pose,
    moving: Float[np.ndarray, "n 3"],
    fixed: Float[np.ndarray, "m 3"],
    tree: cKDTree,
    crystal: Crystal,
) -> Pose:
    for _ in range(_STEPS):
        off, other = tree.query(pose(moving), distance_upper_bound=0.5 * crystal.bond_length)
        kept = np.isfinite(off)
        if kept.sum() < 4:
            return pose
        one, two = moving[kept], fixed[other[kept]]
        left, _, right = np.linalg.svd((one - one.mean(0)).T @ (two - two.mean(0)))
        turn = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
        rotation = (left @ turn @ right).T
        before, pose = pose, Pose(rotation=rotation, shift=two.mean(0) - one.mean(0) @ rotation.T)
        if np.abs(before(moving) - pose(moving)).max() < 1e-4:
            break
    return pose


def paired(
    one: Float[np.ndarray, "n 3"], other: Float[np.ndarray, "m 3"], near: float
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Return pairs of atoms within ``near`` [Å], one to one, the nearest first, and their distances [Å]."""
    found = cKDTree(one).sparse_distance_matrix(cKDTree(other), near, output_type="coo_matrix")
    order = np.argsort(found.data, kind="stable")
    free_one, free_other = np.ones(len(one), dtype=bool), np.ones(len(other), dtype=bool)
    chosen = []
    for place, i, j in zip(order, found.row[order], found.col[order], strict=True):
        if free_one[i] and free_other[j]:
            free_one[i] = free_other[j] = False
            chosen.append(place)
    return found.row[chosen].astype(int), found.col[chosen].astype(int), found.data[chosen]
