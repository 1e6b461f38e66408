"""U by a fit of logarithms: the published way, blind to noise, background and neighbours."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nanonet.atoms.displacement import Displacements
from nanonet.atoms.fit import Fit
from nanonet.atoms.scene import Scene

RADIUS = 0.4
"""Of an atom, over the nearest atoms' distance: that of voxels that are fitted."""
_LEAST = 10
_MOST = 4.0
"""Å²: what is broader is no atom."""


def log_fit(
    density: Float[np.ndarray, "z y x"], positions: Float[np.ndarray, "n 3"], voxel_size: float, radius: float
) -> tuple[Float[np.ndarray, " n"], Displacements]:
    """Return peak intensities and U [Å²] of atoms at fixed places.

    Within ``radius`` [Å] of each, ln I = ln I₀ - ½ rᵀ U⁻¹ r is solved by least squares with weights I; voxels
    of I ≤ 0 are left out (Wietfeldt et al., 2024). U is the variance σ², which the paper's text calls so in
    one place and its root in another. NaN where too few voxels are left or the fit is no peak of an atom.
    """
    half = int(np.ceil(radius / voxel_size))
    steps = np.indices((2 * half + 1,) * 3).reshape(3, -1).T - half
    index = np.rint(positions / voxel_size).astype(int)[:, None, ::-1] + steps
    within = ((index >= 0) & (index < density.shape)).all(axis=-1)
    index = np.clip(index, 0, np.array(density.shape) - 1)
    away = index[..., ::-1] * voxel_size - positions[:, None]
    values = density[tuple(np.moveaxis(index, -1, 0))].astype(float)
    square = (away**2).sum(axis=-1)
    weight = np.where(within & (square <= radius**2) & (values > 0), values, 0.0)
    logarithm = np.log(np.where(weight > 0, values, 1.0))
    ball = np.stack([np.ones_like(square), -square / 2], axis=-1)
    level, inverse = _solved(ball, logarithm, weight).T
    x, y, z = np.moveaxis(away, -1, 0)
    rows = np.stack([np.ones_like(x), -x * x / 2, -y * y / 2, -z * z / 2, -x * y, -x * z, -y * z], axis=-1)
    parts = _solved(rows, logarithm, weight)[:, [1, 4, 5, 4, 2, 6, 5, 6, 3]].reshape(-1, 3, 3)
    few = (weight > 0).sum(axis=1) < _LEAST
    u_iso = np.where(few | (inverse < 1 / _MOST), np.nan, 1 / np.maximum(inverse, 1 / _MOST))
    sound = ~few & (np.linalg.eigvalsh(np.nan_to_num(parts))[:, 0] > 1 / _MOST)
    tensors = np.full(parts.shape, np.nan)
    tensors[sound] = np.linalg.inv(parts[sound])
    unknown = np.full(len(u_iso), np.nan)
    return np.exp(level), Displacements(u_iso=u_iso, sigma_u_iso=unknown, tensors=tensors)


def _solved(
    rows: Float[np.ndarray, "n v p"], values: Float[np.ndarray, "n v"], weight: Float[np.ndarray, "n v"]
) -> Float[np.ndarray, "n p"]:
    weighted = rows * weight[..., None]
    normal = np.swapaxes(weighted, 1, 2) @ rows
    normal += 1e-12 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(rows.shape[-1]) + 1e-300
    return np.asarray(
        (np.linalg.pinv(normal) @ (weighted * values[..., None]).sum(axis=1)[..., None])[..., 0]
    )


def of_logarithms(scene: Scene, found: Fit) -> Displacements:
    """Return U by logarithms of the map, within 0.4 of the usual distance of nearest atoms."""
    from scipy.spatial import cKDTree

    positions = found.atoms.positions
    apart = cKDTree(positions).query(positions, k=2)[0][:, 1] if len(positions) > 1 else np.array([2.5])
    radius = RADIUS * float(np.median(apart))
    return log_fit(scene.density, positions, scene.voxel_size, radius)[1]
