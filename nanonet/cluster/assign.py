"""How surely each particle belongs to its group, and which belong to none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanonet.cluster.partition import members

OUTLIER = 1e-4
"""Chance below which a particle is too far from every group to be of it."""
_FLOOR = 0.05
"""Standard deviation that a group has at least along any feature, in units of that of all particles."""
_ROUNDS = 10


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Groups with probabilities.

    Parameters
    ----------
    labels
        (n,) group of each particle from 0; -1 for what is unlike all groups.
    probability
        (n,) of that group, if the groups are Gaussian; of an outlier, that it belongs to the nearest after
        all.
    """

    labels: Int[np.ndarray, " n"]
    probability: Float[np.ndarray, " n"]


def assign(values: Float[np.ndarray, "n f"], labels: Int[np.ndarray, " n"]) -> Assignment:
    """Return every particle in the group that it fits best, if it fits one.

    Each group is taken for a Gaussian, whose mean and covariance are those of its members; with these the
    members are chosen again, until none changes. What no group would hold with a chance of 1e-4 (χ² of its
    Mahalanobis distance) is an outlier.

    Parameters
    ----------
    labels
        Groups to start from; -1 for none.
    """
    from scipy.stats import chi2

    if labels.max(initial=-1) < 0:
        return Assignment(labels=labels, probability=np.zeros(len(labels)))
    limit = float(chi2.isf(OUTLIER, values.shape[1]))
    for _ in range(_ROUNDS):
        distance, score = _fit(values, labels)
        best = score.argmax(axis=1)
        near = distance[np.arange(len(values)), best]
        again = np.where(near <= limit, best, -1)
        if np.array_equal(again, labels) or len(np.unique(again[again >= 0])) < score.shape[1]:
            break
        labels = again
    share = np.exp(score - score.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    fits = chi2.sf(near, values.shape[1])
    return Assignment(labels=again, probability=np.where(again >= 0, share.max(axis=1), fits))


def _fit(
    values: Float[np.ndarray, "n f"], labels: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """Return squared Mahalanobis distances, and log likelihoods with the groups' sizes for a prior."""
    distances, scores = [], []
    for own in members(labels):
        mean = values[own].mean(axis=0)
        covariance = np.atleast_2d(np.cov(values[own], rowvar=False, bias=True))
        covariance = covariance + _FLOOR**2 * np.eye(len(mean))
        away = values - mean
        distance = np.einsum("nf,nf->n", away, np.linalg.solve(covariance, away.T).T)
        distances.append(distance)
        scores.append(np.log(own.mean()) - 0.5 * (distance + np.linalg.slogdet(covariance)[1]))
    return np.stack(distances, axis=1), np.stack(scores, axis=1)
