"""How many components a mixture has: the integrated classification likelihood, and what is certain of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from nanonet.atomic_columns.mixture import ROUGHNESS, Mixtures, expected, fit_mixtures, smoothness
from nanonet.atomic_columns.mixture_model import MixtureModel

Criterion = Literal["evidence", "icl"]

_FLAT = 0.01  # of one component before any other number: crystals one atom thick all over are rare
_LEAST_CURVATURE = 0.5  # of the log posterior: flatter directions end at the prior


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many atoms each column holds.

    Parameters
    ----------
    mixtures
        The g-th has g + 1 components, D at most.
    icl
        (D,) criterion of each, small is good.
    probability
        (D,) of each number of components.
    posterior
        (n, D) probability of 1..D atoms in each column.
    """

    mixtures: Mixtures
    icl: Float[np.ndarray, " d"]
    probability: Float[np.ndarray, " d"]
    posterior: Float[np.ndarray, "n d"]

    @property
    def components(self) -> int:
        """The most probable number of components."""
        return int(self.probability.argmax()) + 1

    @property
    def components_icl(self) -> int:
        """The number of components of the smallest ICL."""
        return int(self.icl.argmin()) + 1


def count_atoms(
    strengths: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"],
    *,
    most: int,
    model: MixtureModel,
    criterion: Criterion = "evidence",
) -> Counts:
    """Return how many atoms each column holds.

    By "icl" the mixture of the smallest integrated classification likelihood speaks alone (Biernacki et al.,
    IEEE Trans. Pattern Anal. 22 (2000) 719; for columns Van Aert et al., Phys. Rev. B 87 (2013) 064107, and
    De Backer et al., Ultramicroscopy 134 (2013) 23, there with free means). It prefers too few components
    where strengths are known to worse than a quarter of a step, and does not say so. By "evidence" the
    mixtures of all numbers of components speak, each by the probability that its parameters, integrated over,
    give the strengths: where the step cannot be told, neither can the counts, and intervals are wide. One
    component alone, as likely by itself where steps do not show, counts for a hundredth beforehand.

    Parameters
    ----------
    strengths, errors
        Of the columns, as of `fit_mixtures`.
    most
        D, the most atoms that a column may hold.
    """
    mixtures = fit_mixtures(strengths, errors, most=most, model=model)
    likelihood, share = expected(strengths, errors, model, mixtures)
    parameters = np.arange(most) + model.fitted
    entropy = -(share * np.log(np.maximum(share, 1e-300))).sum((1, 2))
    icl = -2 * likelihood + parameters * np.log(len(strengths)) + 2 * entropy
    if criterion == "icl":
        probability = (np.arange(most) == icl.argmin()).astype(float)
    else:
        log = log_evidence(strengths, errors, model, mixtures)
        log[0] += np.log(_FLAT)
        probability = np.exp(log - log.max())
    probability /= probability.sum()
    return Counts(
        mixtures=mixtures,
        icl=icl,
        probability=probability,
        posterior=np.tensordot(probability, share, axes=1),
    )


def log_evidence(
    strengths: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"],
    model: MixtureModel,
    mixtures: Mixtures,
) -> Float[np.ndarray, " d"]:
    """Return the logarithm of the probability of all strengths, weights, step and places integrated over.

    Laplace's method, in the logarithms of weights and step, with the information that is observed: that of
    complete data less what not knowing the components takes away (Louis, J. R. Stat. Soc. B 44 (1982) 226).
    Priors are those of the fit for weights and places, and one e-fold for the step; offset and width stay as
    they are. A constant that all share is left out.
    """
    likelihood, share = expected(strengths, errors, model, mixtures)
    found = [
        _penalty(strengths, errors, model, mixtures.take(np.array([g])), share[g, :, : g + 1])
        for g in range(len(likelihood))
    ]
    return np.asarray(likelihood + np.array(found))


def _penalty(
    strengths: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"],
    model: MixtureModel,
    mixture: Mixtures,
    share: Float[np.ndarray, "n k"],
) -> float:
    """Return prior and volume of the posterior of a mixture that has all of k components."""
    count = share.shape[1]
    weights, places, step = mixture.weights[0, :count], mixture.places[0, :count], float(mixture.step[0])
    mean, variance = (part[0, :count] for part in mixture.components(model))
    total = variance + errors[:, None] ** 2
    pull = share * step * (strengths[:, None] - mean) / total
    information = step**2 * (share / total).sum(0)
    spread = np.diag(weights) - np.outer(weights, weights)
    complete = _Blocks(
        weights=len(strengths) * spread + smoothness(weights[None] > 0)[0],
        places=np.diag(information),
        step=float(places**2 @ information) + 1.0,
        places_step=places * information,
    )
    prior = -0.5 * float(np.sum(np.diff(np.log(weights)) ** 2)) / ROUGHNESS**2 - (count - 1) * np.log(
        ROUGHNESS
    )
    matrix = complete.matrix() - _missing(share, pull, step * (strengths[:, None] - mean) / total, places)
    bent = np.arange(count, 2 * count)
    if model.bend:
        precision = model.prior_precision(count)
        off = places - model.places(count)
        matrix[np.ix_(bent, bent)] += precision
        prior += -0.5 * float(off @ precision @ off) + 0.5 * np.linalg.slogdet(precision)[1]
    # The logarithms of the weights as the changes from each to the next, of which there is one less.
    turn = np.eye(2 * count + 1)
    turn[:count, :count] = np.tril(np.ones((count, count)))
    matrix = turn.T @ matrix @ turn
    kept = [*range(1, count), *(bent if model.bend else []), *([2 * count] if model.step is None else [])]
    curvature = np.linalg.eigvalsh(matrix[np.ix_(kept, kept)])
    return float(prior - 0.5 * np.log(np.maximum(curvature, _LEAST_CURVATURE)).sum())


@dataclass(frozen=True)
class _Blocks:
    """Information on the logarithms of k weights, on k places, and on the logarithm of the step."""

    weights: Float[np.ndarray, "k k"]
    places: Float[np.ndarray, "k k"]
    step: float
    places_step: Float[np.ndarray, " k"]

    def matrix(self) -> Float[np.ndarray, "p p"]:
        k = len(self.places_step)
        found = np.zeros((2 * k + 1, 2 * k + 1))
        found[:k, :k], found[k:-1, k:-1], found[-1, -1] = self.weights, self.places, self.step
        found[k:-1, -1] = found[-1, k:-1] = self.places_step
        return found


def _missing(
    share: Float[np.ndarray, "n k"],
    pull: Float[np.ndarray, "n k"],
    slope: Float[np.ndarray, "n k"],
    places: Float[np.ndarray, " k"],
) -> Float[np.ndarray, "p p"]:
    """Return the information that is lost with the components: the covariance of what each would say.

    Parameters
    ----------
    share
        Probabilities of the components.
    pull
        ``share`` times ``slope``.
    slope
        Derivative of the log density of each component by its place.
    places
        Of the means [steps].
    """
    k = len(places)
    along = pull @ places
    found = np.zeros((2 * k + 1, 2 * k + 1))
    found[:k, :k] = np.diag(share.sum(0)) - share.T @ share
    found[:k, k:-1] = np.diag(pull.sum(0)) - share.T @ pull
    found[k:-1, k:-1] = np.diag((pull * slope).sum(0)) - pull.T @ pull
    found[:k, -1] = places * pull.sum(0) - share.T @ along
    found[k:-1, -1] = places * (pull * slope).sum(0) - pull.T @ along
    found[-1, -1] = float((pull * slope @ places**2).sum() - along @ along)
    upper = np.triu(found, 1)
    return np.asarray(upper + upper.T + np.diag(np.diag(found)))
