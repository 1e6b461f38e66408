"""Gaussian mixtures whose means are equally spaced: how many atoms a scattering strength stands for.

One atom more in a column adds one step to its strength, so that the strengths of columns of k atoms scatter
around offset + k · step. The number of components is chosen by the integrated classification likelihood
(Biernacki et al., IEEE Trans. Pattern Anal. 22 (2000) 719), as Van Aert et al., Phys. Rev. B 87 (2013) 064107
and De Backer et al., Ultramicroscopy 134 (2013) 23 do, there with free means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError

Offset = Literal["zero", "free"]
Widths = Literal["shared", "poisson"]

_FIRST_ROUNDS = 15  # of every start; the best one of each number of components goes on
_ROUNDS = 150
_CONVERGED = 1e-5  # change of the log-likelihood per column
_STARTS = (0.85, 0.93, 1.0, 1.08, 1.18)  # of the step at which the last component lies on the strongest columns
_TOP = 0.98  # quantile of the strengths that stands for the strongest columns
_WIDTH = 0.15  # of a step, to start with
_WIDTHS = (0.03, 0.3)  # of a step: narrower a component sits on one column, wider it holds several counts


@dataclass(frozen=True, kw_only=True)
class MixtureModel:
    """What a mixture is allowed to be.

    Parameters
    ----------
    offset
        "zero" where no atoms give no strength (scattering cross-sections), or "free" within half a step.
    widths
        Standard deviation of the strengths of columns of k atoms, beyond their errors: "shared" by all k, or
        "poisson", growing with the square root of k.
    step
        Strength that an atom adds, where it is known from a calibration or a simulation; None to fit it.
    """

    offset: Offset = "zero"
    widths: Widths = "shared"
    step: float | None = None

    def __post_init__(self) -> None:
        if self.step is not None and not (np.isfinite(self.step) and self.step > 0):
            raise InputError(f"the step of an atom must be positive, got {self.step}; leave it out to fit it")

    @property
    def fitted(self) -> int:
        """Parameters that are fitted beside the weights."""
        return 1 + (self.step is None) + (self.offset == "free")


@dataclass(frozen=True, kw_only=True)
class Mixtures:
    """Fitted mixtures, the g-th with components of 1..g atoms.

    Parameters
    ----------
    offset, step
        The mean of the component of k atoms is offset + k · step.
    width
        Its standard deviation beyond the columns' errors: that of every component, or of that of one atom.
    weights
        (g, k) shares of the columns, 0 for k > g.
    posterior
        (g, n, k) probability of each number of atoms of each column.
    log_likelihood
        Of all strengths.
    bic, icl
        Criteria, small is good: -2 log-likelihood + parameters · log n, and that + 2 · entropy of the
        posterior (the integrated classification likelihood).
    """

    offset: Float[np.ndarray, " g"]
    step: Float[np.ndarray, " g"]
    width: Float[np.ndarray, " g"]
    weights: Float[np.ndarray, "g k"]
    posterior: Float[np.ndarray, "g n k"]
    log_likelihood: Float[np.ndarray, " g"]
    bic: Float[np.ndarray, " g"]
    icl: Float[np.ndarray, " g"]


def fit_mixtures(
    strengths: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"],
    *,
    most: int,
    model: MixtureModel,
) -> Mixtures:
    """Fit mixtures of 1, 2, ... components by expectation maximisation, each from several first steps.

    A strength is taken for a true one, which scatters around the mean of its component, plus its error: both
    are integrated over in the expectation, which leaves a maximisation in closed form.

    Parameters
    ----------
    strengths
        Of the columns, in any unit.
    errors
        Their standard deviations, 0 where unknown.
    most
        Components at most.

    Raises
    ------
    InputError
        If ``most`` is below 1, or there are no strengths.
    """
    if most < 1:
        raise InputError(f"the most atoms that a column may hold must be at least 1, got {most}")
    if not len(strengths):
        raise InputError("a mixture needs at least one column")
    numbers = np.arange(1, most + 1)
    top = max(float(np.quantile(strengths, _TOP)), float(np.finfo(float).tiny))
    shares = np.ones(1) if model.step else np.array(_STARTS)
    step = np.concatenate([[model.step or share * top / g for share in shares] for g in numbers])
    allowed = np.arange(most) < np.repeat(numbers, len(shares))[:, None]
    start = _State(
        offset=np.zeros(len(step)), step=step, width=_WIDTH * step, weights=allowed / allowed.sum(1, keepdims=True)
    )
    tried = _climb(strengths, errors, model, start, _FIRST_ROUNDS)
    likelihood, _ = _expected(strengths, errors, model, tried)
    best = likelihood.reshape(most, -1).argmax(1) + len(shares) * np.arange(most)
    return _judged(strengths, errors, model, _climb(strengths, errors, model, tried.take(best), _ROUNDS))


@dataclass(frozen=True)
class _State:
    """Several mixtures at once: offset, step, width (b,) and weights (b, k)."""

    offset: Float[np.ndarray, " b"]
    step: Float[np.ndarray, " b"]
    width: Float[np.ndarray, " b"]
    weights: Float[np.ndarray, "b k"]

    def take(self, which: np.ndarray) -> _State:
        return _State(self.offset[which], self.step[which], self.width[which], self.weights[which])

    def components(self, model: MixtureModel) -> tuple[Float[np.ndarray, "b 1 k"], Float[np.ndarray, "b 1 k"]]:
        """Return mean and variance of the components."""
        k = np.arange(1, self.weights.shape[1] + 1)
        mean = self.offset[:, None] + self.step[:, None] * k
        variance = self.width[:, None] ** 2 * _relative_variance(k, model)
        return mean[:, None], variance[:, None]


def _relative_variance(k: np.ndarray, model: MixtureModel) -> Float[np.ndarray, " k"]:
    return k.astype(float) if model.widths == "poisson" else np.ones(len(k))


def _climb(
    strengths: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"],
    model: MixtureModel,
    state: _State,
    rounds: int,
) -> _State:
    """Climb the likelihood until no mixture gains by it any more."""
    before = np.full(len(state.step), -np.inf)
    for _ in range(rounds):
        likelihood, share = _expected(strengths, errors, model, state)
        if np.all(likelihood - before < _CONVERGED * len(strengths)):
            break
        before = likelihood
        state = _maximised(strengths, errors, model, state, share)
    return state


def _expected(
    strengths: Float[np.ndarray, " n"], errors: Float[np.ndarray, " n"], model: MixtureModel, state: _State
) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, "b n k"]]:
    """Return the log-likelihoods of all strengths, and the probability of each component."""
    mean, variance = state.components(model)
    total = variance + errors[:, None] ** 2
    density = -0.5 * ((strengths[:, None] - mean) ** 2 / total + np.log(2 * np.pi * total))
    density += np.log(np.maximum(state.weights, 1e-300))[:, None]
    highest = density.max(2, keepdims=True)
    share = np.exp(density - highest)
    evidence = share.sum(2, keepdims=True)
    return (highest + np.log(evidence)).sum((1, 2)), share / evidence


def _maximised(
    strengths: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"],
    model: MixtureModel,
    state: _State,
    share: Float[np.ndarray, "b n k"],
) -> _State:
    """Return the mixtures of the highest expected likelihood."""
    k = np.arange(1, share.shape[2] + 1)
    mean, variance = state.components(model)
    part = variance / (variance + errors[:, None] ** 2)  # of a deviation that is the column's own
    true = mean + part * (strengths[:, None] - mean)
    weight = share / _relative_variance(k, model)
    offset, step = _line(weight.sum(1), (weight * true).sum(1), k, model, state.step)
    moved = offset[:, None] + step[:, None] * k
    own = (weight * ((true - moved[:, None]) ** 2 + part * errors[:, None] ** 2)).sum((1, 2))
    width = np.clip(np.sqrt(own / len(strengths)), _WIDTHS[0] * step, _WIDTHS[1] * step)
    return _State(offset, step, width, share.mean(1))


def _line(
    weight: Float[np.ndarray, "b k"],
    true: Float[np.ndarray, "b k"],
    k: np.ndarray,
    model: MixtureModel,
    step: Float[np.ndarray, " b"],
) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, " b"]]:
    """Return offset and step of the lines through true strengths (weighted sums) against k."""
    s0, s1, s2 = weight.sum(1), weight @ k, weight @ k**2
    t0, t1 = true.sum(1), true @ k
    if model.offset == "zero":
        return np.zeros(len(s0)), step if model.step else t1 / s2
    if not model.step:
        spread = s2 * s0 - s1**2
        step = np.where(spread > 1e-9 * s2 * s0, (t1 * s0 - s1 * t0) / np.maximum(spread, 1e-300), step)
    offset = np.clip((t0 - step * s1) / s0, -step / 2, step / 2)
    return offset, step if model.step else (t1 - offset * s1) / s2


def _judged(
    strengths: Float[np.ndarray, " n"], errors: Float[np.ndarray, " n"], model: MixtureModel, state: _State
) -> Mixtures:
    """Return mixtures with their posteriors and criteria."""
    likelihood, share = _expected(strengths, errors, model, state)
    parameters = np.arange(len(likelihood)) + model.fitted
    bic = -2 * likelihood + parameters * np.log(len(strengths))
    entropy = -(share * np.log(np.maximum(share, 1e-300))).sum((1, 2))
    return Mixtures(
        offset=state.offset,
        step=state.step,
        width=state.width,
        weights=state.weights,
        posterior=share,
        log_likelihood=likelihood,
        bic=bic,
        icl=bic + 2 * entropy,
    )
