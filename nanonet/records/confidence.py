"""How far a particle is to be believed that a network found, as measured on images of known truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from nanonet.records.errors import InputError

_FARTHEST = 3.0
"""Standard deviations: what is farther from the mean than anything measured counts as this far."""


@dataclass(frozen=True, kw_only=True)
class ParticleConfidence:
    """The overlap with a true particle that is to be expected of one that was found.

    A logistic function of what is seen of the particle: linear and quadratic in features that are scaled to
    mean 0 and standard deviation 1.

    Parameters
    ----------
    features
        (k,) their names, in order.
    mean, deviation
        (k,) of each where it was measured.
    weights
        1, then k linear, then k (k + 1) / 2 quadratic ones, row by row of the upper triangle.
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        k = len(self.features)
        if not (len(self.mean) == len(self.deviation) == k and len(self.weights) == 1 + k + k * (k + 1) // 2):
            raise InputError("the confidence of this network is damaged: its numbers do not fit its features")
        if not (np.isfinite([*self.mean, *self.deviation, *self.weights]).all() and min(self.deviation) > 0):
            raise InputError("the confidence of this network is damaged: it holds numbers that cannot be")

    def expected(self, values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
        """Return the intersection over union with a true particle to be expected of each, in 0..1."""
        from scipy.special import expit

        return np.asarray(expit(terms(values, self.mean, self.deviation) @ np.array(self.weights)))


def terms(
    values: Float[np.ndarray, "n k"], mean: tuple[float, ...], deviation: tuple[float, ...]
) -> Float[np.ndarray, "n t"]:
    """Return what the weights of a `ParticleConfidence` are for: 1, the features, their products."""
    z = np.clip((values - np.array(mean)) / np.array(deviation), -_FARTHEST, _FARTHEST)
    i, j = np.triu_indices(z.shape[1])
    return np.concatenate([np.ones((len(z), 1)), z, z[:, i] * z[:, j]], axis=1)


def particle_confidence_from(plain: Mapping[str, Any]) -> ParticleConfidence:
    """Return a confidence from what ``dataclasses.asdict`` made of it."""
    return ParticleConfidence(
        features=tuple(plain["features"]),
        mean=tuple(map(float, plain["mean"])),
        deviation=tuple(map(float, plain["deviation"])),
        weights=tuple(map(float, plain["weights"])),
    )
