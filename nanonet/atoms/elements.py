"""Which element each atom is: by its site in a crystal of ions, by its intensity in an alloy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.special import softmax
from scipy.stats import norm

from nanonet.atoms.crystal import POWERS, Crystal, atomic_number
from nanonet.atoms.detected import Detected
from nanonet.atoms.lattice import LatticeFit

_ROUNDS = 300
_WIDEST = 0.3
"""Of a mean weight: how much atoms of one element and equal surroundings may scatter beyond the noise."""
_LEAST_RATIO = 1.1
"""Of the weights of two elements that a fit begins with."""


@dataclass(frozen=True, kw_only=True)
class Elements:
    """The element of each atom and how sure it is.

    Parameters
    ----------
    symbols, probability
        (n,) the likeliest element, and the chance that it is that.
    told
        Whether the map tells the elements apart: by sites, or because several intensities explain the atoms
        better than one (Bayesian information criterion).
    """

    symbols: tuple[str, ...]
    probability: Float[np.ndarray, " n"]
    told: bool


def elements(detected: Detected, crystal: Crystal) -> Elements:
    """Return the elements of the atoms of a map."""
    count = len(detected.fit.atoms)
    if len(crystal.elements) < 2:
        return Elements(symbols=crystal.elements * count, probability=np.ones(count), told=True)
    weights = detected.fit.atoms.weights
    errors = np.nan_to_num(np.sqrt(detected.fit.covariances[:, 0, 0]))
    by_weight, told = _by_weight(weights, errors, crystal.elements)
    chances = _by_site(detected, crystal, by_weight) if crystal.of_ions else by_weight
    best = chances.argmax(axis=1)
    return Elements(
        symbols=tuple(crystal.elements[number] for number in best),
        probability=chances[np.arange(count), best],
        told=told or (crystal.of_ions and bool(detected.grains)),
    )


def with_lighter_sites_told(detected: Detected, crystal: Crystal) -> Detected:
    """Return the atoms with rocksalt's two kinds of sites the right way round: the heavier are brighter.

    Where atoms are does not tell, since the two kinds of sites are alike.
    """
    if crystal.structure != "rocksalt":
        return detected
    return replace(detected, grains=tuple(_turned(grain, detected, crystal) for grain in detected.grains))


def _turned(grain: LatticeFit, detected: Detected, crystal: Crystal) -> LatticeFit:
    weights, kind = detected.fit.atoms.weights[grain.on], crystal.species(grain.nodes[grain.on])
    if not 0 < kind.sum() < len(kind):
        return grain
    first, second = atomic_number(crystal.elements)
    first_is_heavier = first > second
    first_is_brighter = weights[kind == 0].mean() > weights[kind == 1].mean()
    if first_is_heavier == first_is_brighter:
        return grain
    step = np.array([1, 0, 0])
    return replace(grain, nodes=grain.nodes + step, origin=grain.origin - step @ grain.vectors)


def _by_site(
    detected: Detected, crystal: Crystal, by_weight: Float[np.ndarray, "n e"]
) -> Float[np.ndarray, "n e"]:
    chances = by_weight.copy()
    for grain in detected.grains:
        chances[grain.on] = np.eye(len(crystal.elements))[crystal.species(grain.nodes[grain.on])]
    return chances


def _by_weight(
    weights: Float[np.ndarray, " n"], errors: Float[np.ndarray, " n"], symbols: tuple[str, ...]
) -> tuple[Float[np.ndarray, "n e"], bool]:
    """Return the chance of each element by integrated intensity, and whether there are several at all.

    A mixture of normal distributions whose means are free but rise with the atomic number, of one relative
    width beyond each atom's own error (expectation maximisation). That heavier atoms are brighter is so in
    HAADF, and of the potential in waves shorter than the bonds, which are those that tell atoms apart; its
    integral (k = 0) may differ: that of copper is below aluminium's.
    """
    numbers = atomic_number(symbols)
    order = np.argsort(numbers)
    one, _ = _mixture(weights, errors, np.ones(1))
    several, chances = max(
        (_mixture(weights, errors, _ratios(numbers[order] ** power)) for power in POWERS),
        key=lambda found: found[0],
    )
    free = 2 * (len(symbols) - 1)
    told = 2 * (several - one) > free * np.log(max(len(weights), 2))
    found = np.empty_like(chances)
    found[:, order] = chances
    return found, bool(told)


def _ratios(bright: Float[np.ndarray, " e"]) -> Float[np.ndarray, " e"]:
    """Return rising weights over their mean, apart enough to begin with."""
    ratio = bright / bright.mean()
    return np.asarray(np.maximum(ratio, ratio[0] * _LEAST_RATIO ** np.arange(len(ratio))))


def _mixture(
    weights: Float[np.ndarray, " n"], errors: Float[np.ndarray, " n"], ratio: Float[np.ndarray, " e"]
) -> tuple[float, Float[np.ndarray, "n e"]]:
    """Return log likelihood and memberships; from a few starts, since the shares are not known."""
    best, chances = -np.inf, np.zeros((len(weights), len(ratio)))
    for share in (0.25, 0.5, 0.75):
        first = np.quantile(weights, share)
        means = ratio / ratio[len(ratio) // 2] * first
        likelihood, memberships = _expectation_maximisation(weights, errors, means)
        if likelihood > best:
            best, chances = likelihood, memberships
    return best, chances


def _expectation_maximisation(
    weights: Float[np.ndarray, " n"], errors: Float[np.ndarray, " n"], means: Float[np.ndarray, " e"]
) -> tuple[float, Float[np.ndarray, "n e"]]:
    width, shares = 0.1, np.full(len(means), 1 / len(means))
    likelihood, memberships = -np.inf, np.zeros((len(weights), len(means)))
    for _ in range(_ROUNDS):
        deviation = np.sqrt(errors[:, None] ** 2 + (width * means) ** 2)
        logs = norm.logpdf(weights[:, None], means, deviation) + np.log(shares + 1e-12)
        before, likelihood = likelihood, float(np.logaddexp.reduce(logs, axis=1).sum())
        memberships = softmax(logs, axis=1)
        precise = memberships / deviation**2
        means = np.sort((precise * weights[:, None]).sum(axis=0) / np.maximum(precise.sum(axis=0), 1e-12))
        shares = memberships.mean(axis=0)
        excess = ((weights[:, None] - means) ** 2 - errors[:, None] ** 2) / means**2
        width = float(np.sqrt(np.clip((memberships * excess).sum() / len(weights), 1e-4, _WIDEST**2)))
        if abs(likelihood - before) < 1e-6 * len(weights):
            break
    return likelihood, memberships
