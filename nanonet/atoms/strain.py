"""Strain about each atom, in the axes of the crystal: right for any way that the particle lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

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
    count = len(positions)
    both = _bonds(lattice, near)
    ideal = (lattice.nodes[both[:, 1]] - lattice.nodes[both[:, 0]]) @ vectors
    real = positions[both[:, 1]] - positions[both[:, 0]]
    square, good = _squares(both, ideal, count)
    cross = np.zeros((count, 3, 3))
    np.add.at(cross, both[:, 0], real[:, :, None] * ideal[:, None, :])
    found = np.full((count, 3, 3), np.nan)
    deformation = cross[good] @ np.linalg.inv(square[good])
    _, stretch, right = np.linalg.svd(deformation)
    # The polar decomposition F = R V leaves out how the surroundings turn: F = L S W and V = Wᵀ S W.
    stretched = right.transpose(0, 2, 1) * stretch[:, None, :] @ right
    axes = lattice.rotation
    found[good] = axes.T @ (stretched - np.eye(3)) @ axes
    return found


def _bonds(lattice: LatticeFit, near: Coordination) -> Int[np.ndarray, "b 2"]:
    """Return the pairs of neighbours on the lattice, both ways round."""
    both = np.concatenate([near.pairs, near.pairs[:, ::-1]])
    return np.asarray(both[lattice.on[both].all(axis=1)])


def _squares(
    both: Int[np.ndarray, "b 2"], ideal: Float[np.ndarray, "b 3"], count: int
) -> tuple[Float[np.ndarray, "n 3 3"], Bool[np.ndarray, " n"]]:
    """Return Σ R Rᵀ over the bonds of each atom, and whether they fix a tensor."""
    square = np.zeros((count, 3, 3))
    np.add.at(square, both[:, 0], ideal[:, :, None] * ideal[:, None, :])
    flat = np.linalg.eigvalsh(square)
    enough = np.bincount(both[:, 0], minlength=count) >= _LEAST
    return square, enough & (flat[:, 0] > 0.05 * np.maximum(flat[:, 2], 1e-12))


def strain_errors(
    errors: Float[np.ndarray, "n 3"], lattice: LatticeFit, near: Coordination
) -> Float[np.ndarray, " n"]:
    """Return the standard deviation of a normal strain, the mean over directions, by errors of positions.

    F = Σ_j (r_j - r_i) c_jᵀ with c_j = (Σ R Rᵀ)⁻¹ R_j: its variance is that of the neighbours times c_j², and
    that of the atom itself times (Σ c_j)², which is 0 where neighbours are on all sides.

    Parameters
    ----------
    errors
        Standard deviations of x, y, z [Å], taken as independent.
    """
    count, both = len(errors), _bonds(lattice, near)
    ideal = (lattice.nodes[both[:, 1]] - lattice.nodes[both[:, 0]]) @ lattice.vectors
    square, good = _squares(both, ideal, count)
    inverse = np.zeros((count, 3, 3))
    inverse[good] = np.linalg.inv(square[good])
    share = np.einsum("bij,bj->bi", inverse[both[:, 0]], ideal)
    variance = (errors**2).mean(axis=1)
    of_others, whole = np.zeros(count), np.zeros((count, 3))
    np.add.at(of_others, both[:, 0], variance[both[:, 1]] * (share**2).mean(axis=1))
    np.add.at(whole, both[:, 0], share)
    found = np.sqrt(of_others + variance * (whole**2).mean(axis=1))
    return np.asarray(np.where(good, found, np.nan))


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
