"""Atoms as isotropic Gaussians: drawn into a map, and a map read along their derivatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

_REACH = 4.0
"""Standard deviations that a Gaussian is drawn to: beyond lies 1e-3 of its weight."""
_AT_ONCE = 2_000_000
"""Voxels that are worked on at a time: tens of MB."""


@dataclass(frozen=True, kw_only=True)
class GaussianAtoms:
    """Atoms a_i / (2π U_i)^(3/2) · exp(-|r - r_i|² / (2 U_i)).

    Parameters
    ----------
    positions
        (n, 3) as (x, y, z) in Å from the centre of voxel 0.
    weights
        (n,) integrals a [intensity · Å³].
    u_iso
        (n,) U [Å²]: variance along any direction, of the atom's image: its displacements, its own potential
        and the resolution of the map together.
    """

    positions: Float[np.ndarray, "n 3"]
    weights: Float[np.ndarray, " n"]
    u_iso: Float[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.positions)

    def subset(self, which: Int[np.ndarray, " m"] | Bool[np.ndarray, " n"]) -> GaussianAtoms:
        """Return some of the atoms."""
        return replace(
            self, positions=self.positions[which], weights=self.weights[which], u_iso=self.u_iso[which]
        )

    def joined(self, other: GaussianAtoms) -> GaussianAtoms:
        """Return these atoms, then the others."""
        return GaussianAtoms(
            positions=np.concatenate([self.positions, other.positions]),
            weights=np.concatenate([self.weights, other.weights]),
            u_iso=np.concatenate([self.u_iso, other.u_iso]),
        )

    @property
    def peaks(self) -> Float[np.ndarray, " n"]:
        """Intensity in the middle of each atom."""
        return np.asarray(self.weights / (2 * np.pi * self.u_iso) ** 1.5)


def draw(atoms: GaussianAtoms, shape: tuple[int, int, int], voxel_size: float) -> Float[np.ndarray, "z y x"]:
    """Return the map of atoms, of a shape (z, y, x), with voxels of ``voxel_size`` [Å]."""
    total = np.zeros(int(np.prod(shape)), dtype=np.float64)
    for part in _stencils(atoms, shape, voxel_size):
        bells = [part.bells[axis] * part.inside[axis] for axis in range(3)]
        peaks = atoms.peaks[part.which]
        flat = bells[1][:, :, None] * bells[0][:, None, :]
        values = (peaks[:, None] * bells[2])[:, :, None, None] * flat[:, None]
        total += np.bincount(part.voxels.ravel(), values.ravel(), minlength=len(total))
    return total.reshape(shape).astype(np.float32)


def read_along(
    field: Float[np.ndarray, "z y x"], atoms: GaussianAtoms, voxel_size: float
) -> Float[np.ndarray, "n 5"]:
    """Return the integrals of a field times the derivatives of each atom by (a, x, y, z, U)."""
    moments = _moments(field, atoms, voxel_size)
    u, a = atoms.u_iso, atoms.weights
    square = np.trace(moments.second, axis1=1, axis2=2)
    return np.column_stack(
        [
            moments.whole,
            (a / u)[:, None] * moments.first,
            a * (square / (2 * u**2) - 1.5 * moments.whole / u),
        ]
    )


def read_second(
    field: Float[np.ndarray, "z y x"], atoms: GaussianAtoms, voxel_size: float
) -> Float[np.ndarray, "n 3 3"]:
    """Return the integrals of a field times each atom's derivatives by its U tensor, at an isotropic one.

    The derivative of a Gaussian by U_ij is half its second derivative by r_i and r_j.
    """
    moments = _moments(field, atoms, voxel_size)
    u, a = atoms.u_iso, atoms.weights
    whole = (moments.whole / u)[:, None, None] * np.eye(3)
    return np.asarray(a[:, None, None] / 2 * (moments.second / (u**2)[:, None, None] - whole))


@dataclass(frozen=True)
class _Moments:
    """Integrals of a field times Gaussians of unit weight, and times r and r rᵀ from their middles."""

    whole: Float[np.ndarray, " n"]
    first: Float[np.ndarray, "n 3"]
    second: Float[np.ndarray, "n 3 3"]


def _moments(field: Float[np.ndarray, "z y x"], atoms: GaussianAtoms, voxel_size: float) -> _Moments:
    powers = np.zeros((len(atoms), 3, 3, 3))
    flat = field.ravel()
    for part in _stencils(atoms, field.shape, voxel_size):
        values = flat[part.voxels].astype(np.float64)
        basis = [
            np.stack([bell, bell * away, bell * away**2], axis=-1) * inside[..., None]
            for bell, away, inside in zip(part.bells, part.away, part.inside, strict=True)
        ]
        along_x = values @ basis[0][:, None]  # n z y 3
        along_y = np.einsum("nzyk,nyl->nzlk", along_x, basis[1], optimize=True)
        powers[part.which] = np.einsum("nzlk,nzm->nmlk", along_y, basis[2], optimize=True)
    powers *= (voxel_size**3 / (2 * np.pi * atoms.u_iso) ** 1.5)[:, None, None, None]
    x, y, z = np.eye(3, dtype=int)[:, ::-1]
    pick = [[powers[(slice(None), *(one + other))] for other in (x, y, z)] for one in (x, y, z)]
    return _Moments(
        whole=powers[:, 0, 0, 0],
        first=np.stack([powers[(slice(None), *one)] for one in (x, y, z)], axis=1),
        second=np.stack([np.stack(row, axis=1) for row in pick], axis=1),
    )


@dataclass(frozen=True)
class _Stencil:
    """Voxels around some atoms, and by axis (x, y, z) Gaussian, distance [Å] and whether inside the map."""

    which: Int[np.ndarray, " n"]
    voxels: Int[np.ndarray, "n s s s"]
    bells: list[Float[np.ndarray, "n s"]]
    away: list[Float[np.ndarray, "n s"]]
    inside: list[Bool[np.ndarray, "n s"]]


def _stencils(atoms: GaussianAtoms, shape: tuple[int, ...], voxel_size: float) -> Iterator[_Stencil]:
    """Yield atoms of like reach together, a bounded number at a time."""
    reach = np.ceil(_REACH * np.sqrt(atoms.u_iso) / voxel_size).astype(int)
    for half in np.unique(reach):
        same = np.flatnonzero(reach == half)
        step = max(1, _AT_ONCE // (2 * int(half) + 1) ** 3)
        for start in range(0, len(same), step):
            yield _stencil(atoms, same[start : start + step], int(half), shape, voxel_size)


def _stencil(
    atoms: GaussianAtoms, which: Int[np.ndarray, " n"], half: int, shape: tuple[int, ...], voxel_size: float
) -> _Stencil:
    steps = np.arange(-half, half + 1)
    places, away, inside, bells = [], [], [], []
    for axis in range(3):
        size = shape[2 - axis]
        at = atoms.positions[which, axis] / voxel_size
        index = np.rint(at).astype(np.int64)[:, None] + steps
        distance = index * voxel_size - atoms.positions[which, axis][:, None]
        inside.append((index >= 0) & (index < size))
        places.append(np.clip(index, 0, size - 1))
        away.append(distance)
        bells.append(np.exp(-(distance**2) / (2 * atoms.u_iso[which][:, None])))
    x, y, z = places
    voxels = (z[:, :, None, None] * shape[1] + y[:, None, :, None]) * shape[2] + x[:, None, None, :]
    return _Stencil(which, voxels, bells, away, inside)
