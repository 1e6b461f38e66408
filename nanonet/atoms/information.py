"""What a map can tell of its atoms: the Fisher information of weight, position and U under coloured noise.

For noise of power spectrum S(k) the likelihood of a residual r is exp(-½ ∫ |r̂(k)|² / S(k) d³k), so that the
information shared by two atoms depends on nothing but their separation d and s = U_i + U_j, through

    K(d, s) = 4π ∫ k² / S(k) · exp(-2π² s k²) · sin(2π k d) / (2π k d) dk

and its derivatives (Kay, Fundamentals of Statistical Signal Processing I, 1993, section 3.9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse
from scipy.spatial import cKDTree

from nanonet.atoms.gaussian_atoms import GaussianAtoms
from nanonet.atoms.noise import NoiseSpectrum

PARAMETERS = 5  # weight, x, y, z, U
_NODES = 48
_CLOSE = 1e-6
_PAIRS_AT_ONCE = 20_000


@dataclass(frozen=True, kw_only=True)
class Information:
    """The Fisher information matrix of atoms, by pairs nearer than some reach.

    Parameters
    ----------
    first, second
        (p,) atoms of each pair, every atom with itself first, each other pair once.
    blocks
        (p, 5, 5) rows of ``first``, columns of ``second``: weight, x, y, z, U.
    """

    count: int
    first: Int[np.ndarray, " p"]
    second: Int[np.ndarray, " p"]
    blocks: Float[np.ndarray, "p 5 5"]

    @property
    def own(self) -> Float[np.ndarray, "n 5 5"]:
        """Of each atom with itself."""
        return self.blocks[: self.count]

    def matrix(self) -> sparse.csr_matrix:
        """Return the whole matrix (5n, 5n)."""
        rows = np.concatenate([self.first, self.second[self.count :]])
        columns = np.concatenate([self.second, self.first[self.count :]])
        blocks = np.concatenate([self.blocks, self.blocks[self.count :].transpose(0, 2, 1)])
        order = np.lexsort((columns, rows))
        starts = np.searchsorted(rows[order], np.arange(self.count + 1))
        shape = (PARAMETERS * self.count,) * 2
        return sparse.bsr_matrix((blocks[order], columns[order], starts), shape=shape).tocsr()


def information(atoms: GaussianAtoms, noise: NoiseSpectrum, *, reach: float) -> Information:
    """Return the Fisher information of all atoms; pairs farther apart than ``reach`` [Å] share none."""
    count = len(atoms)
    pairs = (
        cKDTree(atoms.positions).query_pairs(reach, output_type="ndarray")
        if count
        else np.zeros((0, 2), dtype=np.int64)
    )
    first = np.concatenate([np.arange(count), pairs[:, 0]])
    second = np.concatenate([np.arange(count), pairs[:, 1]])
    blocks = np.empty((len(first), PARAMETERS, PARAMETERS))
    for start in range(0, len(first), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        blocks[part] = _blocks(atoms, noise, first[part], second[part])
    return Information(count=count, first=first, second=second, blocks=blocks)


def _blocks(
    atoms: GaussianAtoms, noise: NoiseSpectrum, i: Int[np.ndarray, " p"], j: Int[np.ndarray, " p"]
) -> Float[np.ndarray, "p 5 5"]:
    apart = atoms.positions[i] - atoms.positions[j]
    distance = np.linalg.norm(apart, axis=1)
    along = apart / np.maximum(distance, _CLOSE)[:, None]
    kernel = pair_kernel(noise, distance, atoms.u_iso[i] + atoms.u_iso[j])
    a, b = atoms.weights[i], atoms.weights[j]
    slope = kernel.d[:, None] * along
    slope_s = kernel.ds[:, None] * along
    outer = along[:, :, None] * along[:, None, :]
    bend = kernel.dd[:, None, None] * outer + kernel.d_over[:, None, None] * (np.eye(3) - outer)
    blocks = np.empty((len(i), PARAMETERS, PARAMETERS))
    blocks[:, 0, 0] = kernel.k
    blocks[:, 0, 1:4] = -b[:, None] * slope
    blocks[:, 1:4, 0] = a[:, None] * slope
    blocks[:, 0, 4] = b * kernel.s
    blocks[:, 4, 0] = a * kernel.s
    blocks[:, 1:4, 1:4] = -(a * b)[:, None, None] * bend
    blocks[:, 1:4, 4] = (a * b)[:, None] * slope_s
    blocks[:, 4, 1:4] = -(a * b)[:, None] * slope_s
    blocks[:, 4, 4] = a * b * kernel.ss
    return _stretched(blocks, noise.coverage.stretch)


def _stretched(
    blocks: Float[np.ndarray, "p 5 5"], stretch: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "p 5 5"]:
    """Return the information where not all directions were measured.

    That of one atom is so exactly; that of two is taken to be stretched alike, which keeps all positive.
    """
    blocks[:, 1:4] = np.einsum("ij,pjk->pik", stretch, blocks[:, 1:4])
    blocks[:, :, 1:4] = np.einsum("pij,jk->pik", blocks[:, :, 1:4], stretch)
    return blocks


@dataclass(frozen=True)
class PairKernel:
    """K(d, s) and its derivatives, each (p,); ``d_over`` is its slope over d, finite at d = 0."""

    k: Float[np.ndarray, " p"]
    d: Float[np.ndarray, " p"]
    dd: Float[np.ndarray, " p"]
    d_over: Float[np.ndarray, " p"]
    s: Float[np.ndarray, " p"]
    ss: Float[np.ndarray, " p"]
    ds: Float[np.ndarray, " p"]


def pair_kernel(
    noise: NoiseSpectrum, distance: Float[np.ndarray, " p"], s: Float[np.ndarray, " p"]
) -> PairKernel:
    """Return K at distances d [Å] and sums s of U [Å²] by Gauss-Legendre quadrature over the noise's band."""
    nodes, parts = np.polynomial.legendre.leggauss(_NODES)
    k = noise.highest * (nodes + 1) / 2
    weight = noise.highest / 2 * parts * 4 * np.pi * k**2 * noise.weight(k) * noise.coverage.share
    bell = weight * np.exp(-2 * np.pi**2 * s[:, None] * k**2)
    x = 2 * np.pi * k * np.maximum(distance, _CLOSE)[:, None]
    small = x < 1e-2
    safe = np.where(small, 1.0, x)
    j0 = np.where(small, 1 - x**2 / 6, np.sin(safe) / safe)
    over = np.where(small, -1 / 3 + x**2 / 30, (np.cos(safe) - np.sin(safe) / safe) / safe**2)  # j0' / x
    wave, damp = (2 * np.pi * k) ** 2, -2 * np.pi**2 * k**2
    slope_over = over * wave
    d_over = (bell * slope_over).sum(axis=1)
    return PairKernel(
        k=(bell * j0).sum(axis=1),
        d=d_over * distance,
        dd=(bell * wave * (-j0 - 2 * over)).sum(axis=1),
        d_over=d_over,
        s=(bell * damp * j0).sum(axis=1),
        ss=(bell * damp**2 * j0).sum(axis=1),
        ds=(bell * damp * slope_over).sum(axis=1) * distance,
    )


def covariances(found: Information, ridge: Float[np.ndarray, "n 5"]) -> Float[np.ndarray, "n 5 5"]:
    """Return the covariance of each atom's parameters, its neighbours' being unknown as well.

    It is the inverse of the Schur complement H_ii - Σ_j H_ij H_jj⁻¹ H_ji: what a neighbour's own neighbours
    add is left out, the square of an overlap that is small between atoms of a solid.

    Parameters
    ----------
    ridge
        (n, 5) information that is there besides, on the diagonal.
    """
    own = found.own + ridge[:, :, None] * np.eye(PARAMETERS)
    scale = 1 / np.sqrt(np.maximum(np.diagonal(own, axis1=1, axis2=2), 1e-300))
    unit = own * scale[:, :, None] * scale[:, None, :] + 1e-9 * np.eye(PARAMETERS)
    inverse = np.linalg.inv(unit)
    i, j = found.first[found.count :], found.second[found.count :]
    shared = found.blocks[found.count :] * scale[i][:, :, None] * scale[j][:, None, :]
    lost = np.zeros_like(unit)
    np.add.at(lost, i, shared @ inverse[j] @ shared.transpose(0, 2, 1))
    np.add.at(lost, j, shared.transpose(0, 2, 1) @ inverse[i] @ shared)
    values, vectors = np.linalg.eigh(unit - lost)
    kept = np.maximum(values, 1e-6)
    whole = (vectors / kept[:, None, :]) @ vectors.transpose(0, 2, 1)
    return np.asarray(whole * scale[:, :, None] * scale[:, None, :])
