"""Evenly spread rotations and directions of view."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

_PSI = 1.533751168755204288118041
"""Root of ψ⁴ = ψ + 4, the second constant of the spiral; the first is √2."""
_GENERIC = np.array([0.31, 0.17, 0.94])
"""A direction near z on no symmetry axis or plane: the unit that holds it stands for all."""


def super_fibonacci(step: float) -> Float[np.ndarray, "n 3 3"]:
    """Return rotations spread evenly over SO(3) (Alexa, CVPR 2022, eq. 6 and algorithm 1).

    Parameters
    ----------
    step
        Angle [rad] of the cube that each stands for: there are 8 π² / step³ of them, at least one.
    """
    count = max(1, round(8 * np.pi**2 / step**3))
    s = np.arange(count) + 0.5
    t = s / count
    alpha, beta = 2 * np.pi * s / np.sqrt(2.0), 2 * np.pi * s / _PSI
    r, R = np.sqrt(t), np.sqrt(1.0 - t)
    quaternions = np.stack([r * np.sin(alpha), r * np.cos(alpha), R * np.sin(beta), R * np.cos(beta)], axis=1)
    return np.asarray(Rotation.from_quat(quaternions).as_matrix())


def view_directions(step: float, group: Float[np.ndarray, "g 3 3"]) -> Float[np.ndarray, "n 3"]:
    """Return directions of view in one asymmetric unit of a point group, about ``step`` [rad] apart.

    A direction is that of the beam in the particle's own axes. They lie on a Fibonacci spiral on the sphere.
    """
    count = max(1, round(4 * np.pi / step**2))
    index = np.arange(count) + 0.5
    z = 1.0 - 2.0 * index / count
    azimuth = np.pi * (1.0 + np.sqrt(5.0)) * index
    around = np.sqrt(1.0 - z**2)
    sphere = np.stack([around * np.cos(azimuth), around * np.sin(azimuth), z], axis=1)
    return np.asarray(sphere[_within_unit(sphere, group)])


def folded(
    directions: Float[np.ndarray, "n 3"], group: Float[np.ndarray, "g 3 3"]
) -> Float[np.ndarray, "n 3"]:
    """Return the equivalent of each direction that lies in the asymmetric unit of `view_directions`."""
    every = np.einsum("gij,nj->ngi", group, directions)
    best = (every @ _GENERIC).argmax(1)
    return np.asarray(every[np.arange(len(directions)), best])


def _within_unit(directions: Float[np.ndarray, "n 3"], group: Float[np.ndarray, "g 3 3"]) -> np.ndarray:
    every = np.einsum("gij,nj->ngi", group, directions) @ _GENERIC
    return np.asarray(directions @ _GENERIC >= every.max(1) - 1e-12)


def looking_along(directions: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3 3"]:
    """Return rotations of the particle that bring each of its directions to the beam, +z.

    They turn by the smallest angle; turning on about z gives all others.
    """
    x, y, z = directions.T
    axes = np.stack([y, -x, np.zeros_like(x)], axis=1)
    size = np.linalg.norm(axes, axis=1, keepdims=True)
    axes = np.where(size > 1e-12, axes / np.maximum(size, 1e-12), np.array([1.0, 0.0, 0.0]))
    return np.asarray(Rotation.from_rotvec(axes * np.arctan2(size[:, 0], z)[:, None]).as_matrix())
