"""Strain about each atom, in the axes of the crystal: right for any way that the particle lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from nanonet.atoms.coordination import Coordination
from nanonet.atoms.lattice import LatticeFit

_LEAST = 4
"""Neighbours, on more than one plane, that a tensor is fitted to."""


def strain_tensors(
    positions: Float[np.ndarray, "n 3"],
    lattice: LatticeFit,
    near: Coordination,
    *,
    lattice_constant: float | None = None,
) -> Float[np.ndarray, "n 3 3"]:
    """Return the strain ε about each atom: the symmetric part of what takes the lattice's bonds to its own.

    F is the least-squares solution of r_j - r_i = F (R_j - R_i) over the neighbours j, R being the lattice
    points; ε = (F + Fᵀ)/2 - 1 after F's own rotation is taken off, in the crystal's cubic axes. It is NaN
    where fewer than four neighbours are on the lattice, or all lie in a plane.

    Parameters
    ----------
    positions
        (x, y, z) in Å.
    lattice_constant
        Å of the unstrained crystal that strain is relative to; None is the fitted lattice itself.
    """
    vectors = lattice.vectors
    if lattice_constant is not None:
        vectors = lattice.crystal.primitive * lattice_constant @ lattice.rotation.T
    both = np.concatenate([near.pairs, near.pairs[:, ::-1]])
    both = both[lattice.on[both].all(axis=1)]
    ideal = (lattice.nodes[both[:, 1]] - lattice.nodes[both[:, 0]]) @ vectors
    real = positions[both[:, 1]] - positions[both[:, 0]]
    count = len(positions)
    square, cross, number = np.zeros((count, 3, 3)), np.zeros((count, 3, 3)), np.zeros(count)
    np.add.at(square, both[:, 0], ideal[:, :, None] * ideal[:, None, :])
    np.add.at(cross, both[:, 0], real[:, :, None] * ideal[:, None, :])
    np.add.at(number, both[:, 0], 1)
    good = number >= _LEAST
    flat = np.linalg.eigvalsh(square)
    good &= flat[:, 0] > 0.05 * np.maximum(flat[:, 2], 1e-12)
    found = np.full((count, 3, 3), np.nan)
    deformation = cross[good] @ np.linalg.inv(square[good])
    _, stretch, right = np.linalg.svd(deformation)
    # The polar decomposition F = R V leaves out how the surroundings turn: F = L S W and V = Wᵀ S W.
    stretched = right.transpose(0, 2, 1) * stretch[:, None, :] @ right
    axes = lattice.rotation
    found[good] = axes.T @ (stretched - np.eye(3)) @ axes
    return found


def grain_strains(
    positions: Float[np.ndarray, "n 3"],
    grains: Sequence[LatticeFit],
    near: Coordination,
    *,
    lattice_constant: float | None = None,
) -> tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, " n"]]:
    """Return strain tensor and radial strain of each atom, relative to its own grain, in its grain's axes."""
    tensors = np.full((len(positions), 3, 3), np.nan)
    along = np.full(len(positions), np.nan)
    for grain in grains:
        strain = strain_tensors(positions, grain, near, lattice_constant=lattice_constant)
        tensors[grain.on] = strain[grain.on]
        along[grain.on] = radial(strain, positions, grain)[grain.on]
    return tensors, along


def radial(
    strain: Float[np.ndarray, "n 3 3"], positions: Float[np.ndarray, "n 3"], lattice: LatticeFit
) -> Float[np.ndarray, " n"]:
    """Return the strain along the line from the particle's middle, the mean of its atoms, to each atom."""
    away = (positions - positions.mean(axis=0)) @ lattice.rotation
    length = np.linalg.norm(away, axis=1)
    unit = away / np.maximum(length, 1e-9)[:, None]
    along = np.einsum("ni,nij,nj->n", unit, strain, unit)
    return np.asarray(np.where(length > 1e-6, along, np.nan))
