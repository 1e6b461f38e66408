"""Point groups of rotations: their operations, standard axes, and what maps of them may still differ by.

Cn turns about z. Dn turns about z too, and has a twofold axis along x. T has twofold axes along x, y and z,
O fourfold ones there; I has twofold ones there, and fivefold axes at (0, ±1, ±φ) or (0, ±φ, ±1) and cyclic,
as `scipy.spatial.transform.Rotation.create_group` sets it. K is the group of a ball, all rotations. A map
stands in these axes with the origin, pixel n // 2, as its centre.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from nanonet.reconstruct.rotation_grid import super_fibonacci
from nanonet.records import InputError

_STEP = np.deg2rad(6.0)  # of what is tried where an axis leaves an angle free
_STEP_SO3 = np.deg2rad(12.0)  # where nothing is fixed
_ON_GRID = 1e-9
CUBIC = ("T", "O", "I", "K")
"""Groups whose bodies have the same radius of gyration seen from everywhere."""


@cache
def operations(point_group: str) -> Float[np.ndarray, "g 3 3"]:
    """Return the rotations of a point group, the identity first.

    Parameters
    ----------
    point_group
        C1, Cn, Dn (n from 2), T, O, I or K; of all rotations, K, those of I stand for the rest.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if not re.fullmatch(r"[TOIK]|C[1-9]\d?|D[2-9]|D[1-9]\d", point_group):
        raise InputError(f"point_group must be C1, Cn, Dn, T, O, I or K, as C4, D2 or O; got {point_group!r}")
    matrices = Rotation.create_group("I" if point_group == "K" else point_group).as_matrix()
    return np.asarray(matrices[np.argsort(-np.trace(matrices, axis1=1, axis2=2), kind="stable")])


def relion_name(point_group: str) -> str:
    """Return what RELION calls a group in these axes, or the largest that it has here.

    Its T has a threefold axis along z, with D2 in common with ours, and it has no K; our I is its I1.
    """
    return {"I": "I1", "T": "D2", "K": "I1"}.get(point_group, point_group)


def on_grid_and_rest(
    rotations: Float[np.ndarray, "g 3 3"],
) -> tuple[Float[np.ndarray, "h 3 3"], Float[np.ndarray, "c 3 3"]]:
    """Split a group G into the subgroup H that maps a cubic grid to itself, and one c of each set H·c.

    Every operation of G is one of H times one of the others.
    """
    size = np.abs(rotations)
    on_grid = rotations[(np.abs(size - np.round(size)) < _ON_GRID).all((1, 2))]
    left = list(range(len(rotations)))
    rest = []
    while left:
        rest.append(rotations[left[0]])
        same = on_grid @ rest[-1]
        left = [one for one in left if np.abs(rotations[one] - same).max((1, 2)).min() > _ON_GRID]
    return on_grid, np.stack(rest)


def factors(group: Float[np.ndarray, "g 3 3"]) -> list[Float[np.ndarray, "f 3 3"]]:
    """Split a group into sets whose products, one of each, are all its rotations, each once.

    A sum over the group is a sum over each set in turn: 2 + 2 + 3 + 2 terms instead of the 24 of O.
    """
    found: list[np.ndarray] = []
    made = group[:1]
    # Half turns about the axes first: every larger group here is reached through them.
    candidates = sorted(group, key=lambda one: float(np.abs(one - np.diag(np.diag(one))).max()))
    while len(made) < len(group):
        powers = next((p for one in candidates if (p := _extension(made, one)) is not None), None)
        if powers is None:
            return [group]
        found.append(powers)
        made = (powers[:, None] @ made).reshape(-1, 3, 3)
    return found or [group]


def _extension(
    group: Float[np.ndarray, "g 3 3"], rotation: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "f 3 3"] | None:
    """Return the powers of a rotation that make a larger group of a group; None if they do not."""
    if _holds(group, rotation):
        return None
    powers = [np.eye(3), rotation]
    while not _holds(group, powers[-1] @ rotation):
        powers.append(powers[-1] @ rotation)
    larger = (np.stack(powers)[:, None] @ group).reshape(-1, 3, 3)
    closed = all(_holds(larger, one @ rotation) for one in larger)
    return np.stack(powers) if closed else None


def _holds(group: Float[np.ndarray, "g 3 3"], rotation: Float[np.ndarray, "3 3"]) -> bool:
    return bool(np.abs(group - rotation).max((1, 2)).min() < _ON_GRID)


def equivalent_frames(point_group: str) -> Float[np.ndarray, "f 3 3"]:
    """Return the turns that leave a map of a point group in its standard axes, up to those of the group.

    They are the group's normaliser in SO(3): O for T and D2, twice the turns for Dn. About z, and with C1
    in all of SO(3), there are infinitely many: a grid of 6°, or 12° in SO(3), stands for them.
    """
    if point_group == "C1":
        return super_fibonacci(_STEP_SO3)
    kind, order = point_group[0], int(point_group[1:] or 0)
    if kind == "C":
        angles = np.arange(0.0, 2 * np.pi / order, _STEP)
        flips = Rotation.from_rotvec([[0.0, 0.0, 0.0], [np.pi, 0.0, 0.0]]).as_matrix()
        return np.concatenate([flip @ about_z(angles) for flip in flips])
    if point_group in ("T", "D2"):
        return _one_of_each(operations("O"), operations(point_group))
    if kind == "D":
        return about_z(np.array([0.0, np.pi / order]))
    return np.eye(3)[None]


def free_axes(point_group: str) -> Float[np.ndarray, "k 3"]:
    """Return the axes about which maps of a point group may still differ by any angle."""
    if point_group == "C1":
        return np.eye(3)
    return np.eye(3)[2:] if point_group[0] == "C" else np.zeros((0, 3))


@cache
def placements(smaller: str, larger: str) -> Float[np.ndarray, "p 3 3"]:
    """Return the turns that bring a map of one group to where it may have a larger one that holds it.

    One for each way in which the larger group's axes can lie about those of the smaller; none if it does not
    hold it. The smaller one has more than one axis.
    """
    own, every = operations(smaller), operations(larger)
    first, second = _generators(own)
    found: list[np.ndarray] = []
    lying: list[np.ndarray] = []
    axes = _axis(first), _axis(second)
    frame = _frame(*axes)
    for one in _axes_like(first, every):
        for other in _axes_like(second, every):
            if abs(one @ other - axes[0] @ axes[1]) > _ON_GRID:
                continue
            turn = _frame(one, other) @ frame.T
            if not all(_holds(every, turn @ each @ turn.T) for each in own):
                continue
            there = turn.T @ every @ turn
            if not any(_same(there, known) for known in lying):
                found.append(turn)
                lying.append(there)
    return np.stack(found) if found else np.zeros((0, 3, 3))


def _generators(
    group: Float[np.ndarray, "g 3 3"],
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3 3"]]:
    """Return a rotation of the highest order and one about another axis."""
    first = min(group[1:], key=lambda one: float(Rotation.from_matrix(one).magnitude()))
    away = [one for one in group[1:] if abs(_axis(one) @ _axis(first)) < 1 - _ON_GRID]
    return first, max(away, key=lambda one: float(Rotation.from_matrix(one).magnitude()))


def _axis(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, " 3"]:
    turn = Rotation.from_matrix(rotation).as_rotvec()
    return np.asarray(turn / np.linalg.norm(turn))


def _axes_like(
    rotation: Float[np.ndarray, "3 3"], group: Float[np.ndarray, "g 3 3"]
) -> list[Float[np.ndarray, " 3"]]:
    same = [one for one in group[1:] if abs(np.trace(one) - np.trace(rotation)) < _ON_GRID]
    return [sign * _axis(one) for one in same for sign in (1.0, -1.0)]


def _frame(one: Float[np.ndarray, " 3"], other: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """Return axes along one direction and near another, as columns."""
    across = np.cross(one, other)
    across = across / np.linalg.norm(across)
    return np.stack([one, across, np.cross(one, across)], axis=1)


def _same(one: Float[np.ndarray, "g 3 3"], other: Float[np.ndarray, "g 3 3"]) -> bool:
    return all(_holds(other, each) for each in one)


def about_z(angles: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 3 3"]:
    """Return the rotations by angles [rad] about z, x towards y."""
    return np.asarray(Rotation.from_rotvec(angles[:, None] * np.eye(3)[2]).as_matrix())


def _one_of_each(
    larger: Float[np.ndarray, "n 3 3"], group: Float[np.ndarray, "g 3 3"]
) -> Float[np.ndarray, "f 3 3"]:
    """Return one rotation of each coset of a group within a larger one."""
    kept: list[np.ndarray] = []
    for one in larger:
        same = one @ group
        if not any(np.abs(same - other).max((1, 2)).min() < _ON_GRID for other in kept):
            kept.append(one)
    return np.stack(kept)
