"""Errors that do not average out: how much the frames of a site say together about its depth."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float


def pool_looks(
    likelihood: Float[np.ndarray, "t s depth"],
    posterior: Float[np.ndarray, "t s depth"],
    *,
    prior: Float[np.ndarray, " depth"],
    inside: Bool[np.ndarray, "t s"],
    looks: float,
) -> Float[np.ndarray, "t s depth"]:
    """Return the probability of each depth, given that the frames of a site share most of their error.

    The frames of a movie show one structure through one lens: what a network mistakes in one frame it
    mistakes in the next. The Markov model, which takes frames for independent, tells well when a column
    changes, and is far too sure of how deep it is. So its depth is taken as an apparent one. The log
    likelihoods of the frames in which a site appears a deep are averaged, which removes the noise of the
    frames, and the average counts as often as independent looks would: of n frames n / (1 + (n - 1) / looks),
    the design effect of L. Kish, Survey Sampling (1965). That gives the probability of each true depth behind
    each apparent one.

    Parameters
    ----------
    likelihood
        (t, s, D + 1) as observed, not tempered.
    posterior
        (t, s, D + 1) of the Markov model: of the apparent depth.
    prior
        (D + 1,) that the network's probabilities were divided by: it counts once.
    inside
        (t, s) where a site was seen.
    looks
        Independent looks that any number of frames amounts to at most, from 1; infinite where errors are
        independent from frame to frame.
    """
    apparent = np.moveaxis(posterior, 0, 1)
    seen = np.where(inside.T[..., None], apparent, np.float32(0.0)).swapaxes(1, 2)
    frames = seen.sum(2, dtype=float)
    mean = seen @ np.moveaxis(np.log(likelihood), 0, 1) / np.maximum(frames, 1e-9)[..., None]
    exponent = np.log(prior) + _looks(frames, looks)[..., None] * mean
    behind = np.exp(exponent - exponent.max(2, keepdims=True))
    behind /= behind.sum(2, keepdims=True)
    return np.moveaxis(apparent @ behind.astype(np.float32), 0, 1)


def _looks(frames: Float[np.ndarray, "s depth"], looks: float) -> Float[np.ndarray, "s depth"]:
    """Return what so many frames amount to; never less than one look."""
    number = np.maximum(frames, 1.0)
    return np.asarray(number / (1.0 + (number - 1.0) / looks))
