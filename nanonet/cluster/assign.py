"""How surely each particle belongs to its group, which belong to none, and which groups are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.cluster.partition import members

OUTLIER = 1e-2
"""Chance below which a particle is too far from every group to be of it."""
_HELD = 0.5
"""Share of another group's members that lie within a group, and of the others, from which it is mixed."""
_MOST = 0.3
"""Share of the particles that a mixed group has at most: what lies between kinds is not most of them."""
_FLOOR = 0.05
"""Standard deviation that a group has at least along any feature, in units of that of all particles."""


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
    mixed
        (n,) whether it was found in a group that is no kind, and is of no other.
    """

    labels: Int[np.ndarray, " n"]
    probability: Float[np.ndarray, " n"]
    mixed: Bool[np.ndarray, " n"]


def assign(values: Float[np.ndarray, "n f"], labels: Int[np.ndarray, " n"]) -> Assignment:
    """Return every particle in the group that it fits best, if it fits one.

    Each group is taken for a Gaussian, whose mean and covariance are those of the members that it was found
    with. They are not taken anew of those that it then has: what lies at its edge would widen it, until it
    holds what is of no group. What no group would hold with a chance of 1e-2 is an outlier. The chance allows
    for the mean and covariance being those of few: a member helped to make them and lies nearer, one from
    elsewhere lies farther than χ² says (Gnanadesikan and Kettenring, Biometrics 28, 81 (1972)).

    A group so wide that the others lie within it is no kind but what is left between kinds, as broken and
    fused particles are, each in its own way. Its members go to the kinds that they fit, or to none. One that
    holds more than 30 % of the particles is a kind whatever lies within it.

    Parameters
    ----------
    labels
        Groups as they were found; -1 for none.
    """
    if labels.max(initial=-1) < 0:
        return Assignment(
            labels=labels, probability=np.zeros(len(labels)), mixed=np.zeros(len(labels), dtype=bool)
        )
    distance, score = _fit(values, labels)
    chance = _chance(distance, labels, values.shape[1])
    wide = mixed_groups(chance, labels)
    chance, score = chance[:, ~wide], score[:, ~wide]
    best = score.argmax(axis=1)
    fits = chance[np.arange(len(values)), best]
    found = np.where(fits >= OUTLIER, best, -1)
    share = np.exp(score - score.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    return Assignment(
        labels=found,
        probability=np.where(found >= 0, share.max(axis=1), fits),
        mixed=np.isin(labels, np.flatnonzero(wide)) & (found < 0),
    )


def mixed_groups(chance: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " k"]:
    """Return which groups hold most members of most others: those are kinds, and it is what is between them.

    Parameters
    ----------
    chance
        Of a member of each group to lie as far from its middle as each particle.
    """
    inside = chance >= OUTLIER
    # Row j: whether most of group j lie within each group.
    held = np.stack([inside[own].mean(axis=0) for own in members(labels)]) > _HELD
    np.fill_diagonal(held, False)
    wide = held.sum(axis=0) > _HELD * max(len(held) - 1, 1)
    few = np.array([own.mean() <= _MOST for own in members(labels)])
    return np.asarray(wide & few & ~wide.all())


def _chance(
    distance: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"], features: int
) -> Float[np.ndarray, "n k"]:
    """Return the chance of a member of each group to lie as far from its middle as each particle."""
    from scipy.stats import beta, chi2, f

    found = []
    for own, away in zip(members(labels), distance.T, strict=True):
        n = int(own.sum())
        if n <= features + 2:
            found.append(chi2.sf(away, features))
            continue
        other = f.sf(away * n * (n - features) / ((n * n - 1) * features), features, n - features)
        inside = beta.sf(away * n / (n - 1) ** 2, features / 2, (n - features - 1) / 2)
        found.append(np.where(own, inside, other))
    return np.stack(found, axis=1)


def _fit(
    values: Float[np.ndarray, "n f"], labels: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """Return squared Mahalanobis distances, and log likelihoods with the groups' sizes for a prior."""
    distances, scores = [], []
    for own in members(labels):
        mean = values[own].mean(axis=0)
        covariance = np.atleast_2d(np.cov(values[own], rowvar=False, bias=own.sum() < 2))
        covariance = covariance + _FLOOR**2 * np.eye(len(mean))
        away = values - mean
        distance = np.einsum("nf,nf->n", away, np.linalg.solve(covariance, away.T).T)
        distances.append(distance)
        scores.append(np.log(own.mean()) - 0.5 * (distance + np.linalg.slogdet(covariance)[1]))
    return np.stack(distances, axis=1), np.stack(scores, axis=1)
