"""Smooth random fields: sums of plane waves, known with their gradients everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

WAVES = 96
"""Enough for a field that looks Gaussian at each point (central limit)."""


@dataclass(frozen=True, kw_only=True)
class SmoothField:
    """A random field of unit variance, its correlation exp(-r² / 2 length²).

    Parameters
    ----------
    vectors
        (w, 3) wave vectors [rad/Å], normally distributed with standard deviation 1 / length.
    phases
        (w,) [rad].
    weights
        (w, c) of the waves in each component.
    """

    vectors: Float[np.ndarray, "w 3"]
    phases: Float[np.ndarray, " w"]
    weights: Float[np.ndarray, "w c"]

    def at(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n c"]:
        """Return its values."""
        return np.asarray(np.cos(points @ self.vectors.T + self.phases) @ self.weights)

    def gradient(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n c 3"]:
        """Return the derivative of each component along x, y and z [1/Å]."""
        slope = -np.sin(points @ self.vectors.T + self.phases)
        waves = self.weights[:, :, None] * self.vectors[:, None, :]
        return np.asarray(np.tensordot(slope, waves, axes=1))


def smooth_field(length: float, components: int, rng: np.random.Generator) -> SmoothField:
    """Draw a field that varies over ``length`` [Å]."""
    weights = rng.standard_normal((WAVES, components)) * np.sqrt(2 / WAVES)
    return SmoothField(
        vectors=rng.standard_normal((WAVES, 3)) / length,
        phases=rng.uniform(0, 2 * np.pi, WAVES),
        weights=weights,
    )
