"""Grains and twins: several lattices in one particle, and how they lie to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from nanonet.atoms.crystal import Crystal
from nanonet.atoms.lattice import LatticeFit, fit_lattice

_MOST = 12
"""Grains that are sought."""
_LEAST = 20
"""Atoms on the lattice of a grain after the first."""
_SHARE = 0.02
"""Of all atoms, that a further grain has at least."""


def fit_grains(
    positions: Float[np.ndarray, "n 3"], crystal: Crystal, *, near: Sequence[LatticeFit] = ()
) -> tuple[LatticeFit, ...]:
    """Return the lattices of the grains of a particle, the one of most bonds first; none where there is none.

    Each further lattice is sought among the atoms that the ones before left, so that an atom of a twin plane,
    which is on both, belongs to the first. No atom is on two.

    Parameters
    ----------
    near
        Lattices that are nearly right already.
    """
    found: list[LatticeFit] = []
    free = np.arange(len(positions))
    least = max(_LEAST, round(_SHARE * len(positions)))
    for number in range(_MOST):
        if found and len(free) < least:
            break
        known = near[number] if number < len(near) else None
        one = fit_lattice(positions[free], crystal, near=known) or (
            fit_lattice(positions[free], crystal) if known is not None else None
        )
        if one is None or (found and int(one.on.sum()) < least):
            break
        found.append(one.among(len(positions), free))
        free = free[~one.on]
    return tuple(found)


def grain_of(grains: Sequence[LatticeFit], count: int) -> Int[np.ndarray, " n"]:
    """Return the number of each atom's grain, from 0, and -1 of those on no lattice."""
    number = np.full(count, -1)
    for index, grain in enumerate(grains):
        number[grain.on] = index
    return number


@dataclass(frozen=True, kw_only=True)
class Disorientation:
    """The smallest rotation of one crystal onto another: ``angle`` [degrees] about ``axis`` of the first."""

    angle: float
    axis: Float[np.ndarray, " 3"]

    @property
    def is_twin(self) -> bool:
        """Whether it is the Σ3 twin of cubic crystals: 60° about [111], within Brandon's 15°/√3."""
        along = float(np.sort(np.abs(self.axis)) @ np.ones(3) / np.sqrt(3))
        off = np.hypot(self.angle - 60, self.angle * float(np.arccos(min(along, 1.0))))
        return bool(off < 15 / np.sqrt(3))


def disorientation(one: LatticeFit, other: LatticeFit) -> Disorientation:
    """Return how another grain is turned against one, the smallest of the symmetrically equal rotations."""
    group = Rotation.create_group(one.crystal.rotations)
    turn = Rotation.from_matrix(one.rotation.T @ other.rotation)
    equal = [turn * symmetry for symmetry in group]
    best = min(equal, key=lambda rotation: float(rotation.magnitude()))
    vector = best.as_rotvec()
    length = float(np.linalg.norm(vector))
    return Disorientation(angle=float(np.degrees(length)), axis=vector / max(length, 1e-12))
