"""How much the frames of a movie may be believed, found on movies whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanonet.atomic_columns.time.events import Events, find_events
from nanonet.atomic_columns.time.markov import posterior
from nanonet.atomic_columns.time.persistence import POSSIBLE, pool_between
from nanonet.atomic_columns.time.rates import learn_dynamics
from nanonet.atomic_columns.time.steps import mean_reading, settled

_EVIDENCE = (0.03, 10.0)
_LOOKS = (1.0, 1000.0)
_LEAST = 1e-4  # probability that the truth is given at least: one gross error does not decide


@dataclass(frozen=True, kw_only=True)
class KnownMovie:
    """A movie with its truth.

    Parameters
    ----------
    likelihood
        (t, s, D + 1), each row up to a factor.
    depth
        (t, s) true number of atoms at each site, 0 where there is no column.
    """

    likelihood: Float[np.ndarray, "t s depth"]
    depth: Int[np.ndarray, "t s"]


@dataclass(frozen=True, kw_only=True)
class Weight:
    """What the frames of a movie weigh.

    Parameters
    ----------
    evidence
        Exponent of the likelihood of a frame where columns are followed from frame to frame.
    looks
        Independent looks at the depth of a column that its frames amount to at most: see `pool_between`.
    log_score
        Mean logarithm of the probability that the truth is given.
    """

    evidence: float
    looks: float
    log_score: float


def fit_weight(
    movies: Sequence[KnownMovie], *, prior: Float[np.ndarray, " depth"] | None = None, tolerance: float = 0.1
) -> Weight:
    """Return the weights that make the truth of some movies most likely.

    Parameters
    ----------
    movies
        Of the network, doses and frame rates that the weights are for.
    prior
        (D + 1,) that the network's probabilities were divided by; None for a uniform one.
    tolerance
        Of the logarithm of either weight.
    """
    depths = movies[0].likelihood.shape[2]
    chosen = np.full(depths, 1.0 / depths) if prior is None else prior

    def with_evidence(evidence: float) -> Weight:
        changes = [_changes(movie, evidence, chosen) for movie in movies]

        def with_looks(looks: float) -> Weight:
            score = _score(movies, changes, chosen, looks)
            return Weight(evidence=evidence, looks=looks, log_score=score)

        return _best(with_looks, _LOOKS, tolerance)

    return _best(with_evidence, _EVIDENCE, tolerance)


def _changes(movie: KnownMovie, evidence: float, prior: Float[np.ndarray, " depth"]) -> Events:
    tempered = movie.likelihood**evidence
    smoothed = posterior(tempered, learn_dynamics(tempered))
    return settled(find_events(smoothed, least=POSSIBLE), mean_reading(movie.likelihood, prior))


def _score(
    movies: Sequence[KnownMovie],
    changes: Sequence[Events],
    prior: Float[np.ndarray, " depth"],
    looks: float,
) -> float:
    """Return the mean log probability of the truth over all sites and frames."""
    scores = []
    for movie, found in zip(movies, changes, strict=True):
        inside = np.ones(movie.depth.shape, dtype=bool)
        pooled = pool_between(found, movie.likelihood, prior=prior, inside=inside, looks=looks)
        true = np.take_along_axis(pooled, movie.depth[..., None], 2)
        scores.append(np.log(np.maximum(true, _LEAST)).ravel())
    return float(np.concatenate(scores).mean())


def _best(trial: Callable[[float], Weight], bounds: tuple[float, float], tolerance: float) -> Weight:
    """Return the trial with the highest score between positive bounds; scores are taken for single-peaked."""
    from scipy.optimize import minimize_scalar

    tried: list[Weight] = []

    def loss(log_value: float) -> float:
        tried.append(trial(float(np.exp(log_value))))
        return -tried[-1].log_score

    minimize_scalar(loss, bounds=tuple(np.log(bounds)), method="bounded", options={"xatol": tolerance})
    return max(tried, key=lambda weight: weight.log_score)
