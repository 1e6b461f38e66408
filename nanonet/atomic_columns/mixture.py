"""Gaussian mixtures of evenly spaced means: how many atoms the strength of a column stands for.

One atom more adds a step to the strength of a column, so that the strengths of columns of k atoms scatter
around the k-th of evenly spaced means: exactly even, or bending a little from one step to the next, as
channelling makes cross-sections grow faster and phase contrast saturate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from nanonet.atomic_columns.mixture_model import MixtureModel
from nanonet.records import InputError

ROUGHNESS = 1.0
"""Standard deviation of the logarithm of how many columns have one atom more, over those that have not."""
_FIRST_ROUNDS = 15  # of every start; the best one of each number of components goes on
_ROUNDS = 150
_CONVERGED = 1e-5  # change of the log-likelihood per column
_STARTS = (0.85, 0.93, 1.0, 1.08, 1.18)  # of the step that puts the last mean on the strongest columns
_TOP = 0.98  # quantile of the strengths that stands for the strongest columns
_WIDTH = 0.1  # of a step, to start with
_LEAST_WEIGHT = 1e-12
_LARGEST_CHANGE = 2.0  # of the logarithm of a weight in a round
_WIDTHS = (0.03, 0.12)  # of a step: narrower a component sits on one column, wider it holds several counts


@dataclass(frozen=True)
class Mixtures:
    """Several mixtures at once; the b-th has components of 1..D atoms, those without a weight are none.

    Parameters
    ----------
    offset, step
        (b,) the mean of the component of k atoms is offset + step · places[k - 1].
    width
        (b,) its standard deviation beyond the columns' errors: of every component, or of that of one atom.
    places
        (b, D) means in steps.
    weights
        (b, D) shares of the columns.
    """

    offset: Float[np.ndarray, " b"]
    step: Float[np.ndarray, " b"]
    width: Float[np.ndarray, " b"]
    places: Float[np.ndarray, "b k"]
    weights: Float[np.ndarray, "b k"]

    def take(self, which: np.ndarray) -> Mixtures:
        """Return some of them."""
        return Mixtures(*(values[which] for values in vars(self).values()))

    def components(self, model: MixtureModel) -> tuple[Float[np.ndarray, "b k"], Float[np.ndarray, "b k"]]:
        """Return mean and variance of the components, errors not in it."""
        mean = self.offset[:, None] + self.step[:, None] * self.places
        return mean, self.width[:, None] ** 2 * model.relative_variance(self.places.shape[1])


def fit_mixtures(
    strengths: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"],
    *,
    most: int,
    model: MixtureModel,
) -> Mixtures:
    """Fit mixtures of 1, 2, ... ``most`` components by expectation maximisation, each from several steps.

    The weights are smooth to a certain degree: their logarithms are a random walk along the numbers of atoms
    by about an e-fold a step. Particles have columns of neighbouring depths.

    Parameters
    ----------
    strengths
        Of the columns, in any unit, most of them positive.
    errors
        Their standard deviations, 0 where unknown.
    most
        Components at most.

    Returns
    -------
    Mixtures
        The g-th with g + 1 components.

    Raises
    ------
    InputError
        If ``most`` is below 1, or there are no strengths.
    """
    if most < 1:
        raise InputError(f"the most atoms that a column may hold must be at least 1, got {most}")
    if not len(strengths):
        raise InputError("a mixture needs at least one column")
    shares = np.ones(1) if model.step else np.array(_STARTS)
    start = _start(strengths, most, model, shares)
    tried = _climb(strengths, errors, model, start, _FIRST_ROUNDS)
    likelihood, _ = expected(strengths, errors, model, tried)
    best = likelihood.reshape(most, -1).argmax(1) + len(shares) * np.arange(most)
    return _climb(strengths, errors, model, tried.take(best), _ROUNDS)


def _start(
    strengths: Float[np.ndarray, " n"], most: int, model: MixtureModel, shares: Float[np.ndarray, " s"]
) -> Mixtures:
    """Return mixtures of each number of components and each share of its natural step, equally weighted."""
    numbers = np.arange(1, most + 1)
    top = max(float(np.quantile(strengths, _TOP)), float(np.finfo(float).tiny))
    places = model.places(most)
    step = np.concatenate([shares * (model.step or top / place) for place in places])
    weights = (numbers <= np.repeat(numbers, len(shares))[:, None]).astype(float)
    return Mixtures(
        offset=np.zeros(len(step)),
        step=step,
        width=_WIDTH * step,
        places=np.tile(places, (len(step), 1)),
        weights=weights / weights.sum(1, keepdims=True),
    )


def expected(
    strengths: Float[np.ndarray, " n"], errors: Float[np.ndarray, " n"], model: MixtureModel, state: Mixtures
) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, "b n k"]]:
    """Return the log-likelihoods of all strengths, and the probability of each component for each column."""
    mean, variance = state.components(model)
    total = variance[:, None] + errors[:, None] ** 2
    density = -0.5 * ((strengths[:, None] - mean[:, None]) ** 2 / total + np.log(2 * np.pi * total))
    density += np.log(np.maximum(state.weights, 1e-300))[:, None]
    highest = density.max(2, keepdims=True)
    share = np.exp(density - highest)
    evidence = share.sum(2, keepdims=True)
    return (highest + np.log(evidence)).sum((1, 2)), share / evidence


def _climb(
    strengths: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"],
    model: MixtureModel,
    state: Mixtures,
    rounds: int,
) -> Mixtures:
    """Climb the likelihood until no mixture gains by it any more."""
    before = np.full(len(state.step), -np.inf)
    for _ in range(rounds):
        likelihood, share = expected(strengths, errors, model, state)
        if np.all(np.abs(likelihood - before) < _CONVERGED * len(strengths)):
            break
        before = likelihood
        state = _maximised(strengths, errors, model, state, share)
    return state


def _maximised(
    strengths: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"],
    model: MixtureModel,
    state: Mixtures,
    share: Float[np.ndarray, "b n k"],
) -> Mixtures:
    """Return the mixtures of a higher expected likelihood: weights, then means, then widths."""
    mean, variance = state.components(model)
    total = variance[:, None] + errors[:, None] ** 2
    information, pull = (share / total).sum(1), (share * strengths[:, None] / total).sum(1)
    offset, step = _line(information, pull, state, model)
    places = (
        _bent(information, pull - offset[:, None] * information, step, model) if model.bend else state.places
    )
    mean = offset[:, None] + step[:, None] * places
    part = variance[:, None] / total  # of a deviation that is the column's own
    own = part**2 * (strengths[:, None] - mean[:, None]) ** 2 + part * errors[:, None] ** 2
    relative = model.relative_variance(share.shape[2])
    width = np.sqrt((share * own / relative).sum((1, 2)) / len(strengths))
    return Mixtures(
        offset=offset,
        step=step,
        width=np.clip(width, _WIDTHS[0] * step, _WIDTHS[1] * step),
        places=places,
        weights=_smooth(share.sum(1), state.weights),
    )


def smoothness(there: Bool[np.ndarray, "b k"]) -> Float[np.ndarray, "b k k"]:
    """Return the prior precision of the logarithms of the weights of the components that are there."""
    linked = (there[:, 1:] & there[:, :-1]) / ROUGHNESS**2
    most = there.shape[1]
    steps = np.eye(most)[1:] - np.eye(most)[:-1]
    return np.asarray(np.einsum("bs,sk,sl->bkl", linked, steps, steps))


def _smooth(numbers: Float[np.ndarray, "b k"], weights: Float[np.ndarray, "b k"]) -> Float[np.ndarray, "b k"]:
    """Return weights that are nearer to the most probable ones, by a Newton step of their logarithms.

    Parameters
    ----------
    numbers
        Expected columns of each component.
    weights
        Those before; 0 where there is no component.
    """
    there = weights > 0
    log = np.where(there, np.log(np.maximum(weights, _LEAST_WEIGHT)), 0.0)
    total = numbers.sum(1)[:, None]
    prior = smoothness(there)
    spread = (weights[:, :, None] * np.eye(weights.shape[1])) - weights[:, :, None] * weights[:, None, :]
    # The logarithms have a common constant, and are nothing where there is no component: a ridge holds these.
    normal = (
        total[:, :, None] * spread + prior + np.where(there, 1e-6, 1.0)[:, :, None] * np.eye(weights.shape[1])
    )
    slope = np.where(there, numbers - total * weights - (prior @ log[:, :, None])[:, :, 0], 0.0)
    log += np.clip(np.linalg.solve(normal, slope[:, :, None])[:, :, 0], -_LARGEST_CHANGE, _LARGEST_CHANGE)
    share = np.where(there, np.maximum(np.exp(log - log.max(1, keepdims=True)), _LEAST_WEIGHT), 0.0)
    return np.asarray(share / share.sum(1, keepdims=True))


def _line(
    information: Float[np.ndarray, "b k"],
    pull: Float[np.ndarray, "b k"],
    state: Mixtures,
    model: MixtureModel,
) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, " b"]]:
    """Return offset and step of the weighted least-squares lines of strengths against places."""
    x = state.places
    s0, s1, s2 = information.sum(1), (information * x).sum(1), (information * x**2).sum(1)
    t0, t1 = pull.sum(1), (pull * x).sum(1)
    step = state.step
    if model.offset == "zero":
        return np.zeros(len(s0)), step if model.step else np.maximum(t1 / s2, 0.5 * step)
    if not model.step:
        spread = s2 * s0 - s1**2
        tilted = (t1 * s0 - s1 * t0) / np.maximum(spread, 1e-300)
        step = np.where(spread > 1e-9 * s2 * s0, np.maximum(tilted, 0.5 * step), step)
    offset = np.clip((t0 - step * s1) / s0, -step / 2, step / 2)
    return offset, step if model.step else np.maximum((t1 - offset * s1) / s2, 0.5 * step)


def _bent(
    information: Float[np.ndarray, "b k"],
    pull: Float[np.ndarray, "b k"],
    step: Float[np.ndarray, " b"],
    model: MixtureModel,
) -> Float[np.ndarray, "b k"]:
    """Return the most probable places of the means: between the strengths and even spacing."""
    most = information.shape[1]
    prior = model.prior_precision(most)
    normal = prior + (step[:, None] ** 2 * information)[:, :, None] * np.eye(most)
    right = step[:, None] * pull + prior @ model.places(most)
    places = np.linalg.solve(normal, right[:, :, None])[:, :, 0]
    return np.asarray(np.maximum.accumulate(places, axis=1))
