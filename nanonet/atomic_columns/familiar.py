"""Is a frame like those that the network was trained on? One number, and what is odd in words."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nanonet.atomic_columns.familiar_words import oddity
from nanonet.atomic_columns.frame_features import frame_features
from nanonet.atomic_columns.noise import spectrum
from nanonet.atomic_columns.normal_scores import normal_scores, standard_normal
from nanonet.atomic_columns.readout import Reading
from nanonet.atomic_columns.scale import spacing_range, spots
from nanonet.records.familiarity import Familiarity

RARE = 0.01
"""A frame is flagged where fewer than this share of training-like frames are as unusual."""
FARTHEST = 30.0
"""Normal scores are cut here: what is farther is no less like the training."""
_TAIL = 0.1  # the share of held-out frames beyond which their scores are taken for exponential
_SPOTS = 4  # of the power spectrum that make a lattice

_NO_CRYSTAL = "no atomic columns were found, and no lattice is seen: vacuum, or amorphous?"
_MISSED = "the frame shows a lattice, but the network found no columns: it does not know such images"


def familiarity_warning(
    counts: Float[np.ndarray, "y x"], reading: Reading, *, pixel_size: float, familiarity: Familiarity
) -> tuple[float | None, str | None]:
    """Return how unusual a frame is, and a line that says in what where it is too unusual to be trusted.

    Parameters
    ----------
    counts
        The frame at the network's pixel size; of several that are read together the middle one.
    reading
        As the network gives it, before any calibration.
    pixel_size
        The network's [Å].
    familiarity
        The network's.

    Returns
    -------
    chance
        That a frame like those of the training is at least as unusual; None where no columns were found, and
        for a frame smaller than the training images, which cannot be compared.
    line
        None for a frame like those of the training.
    """
    if min(counts.shape) < familiarity.side:
        return None, None
    found = frame_features(counts, reading, pixel_size=pixel_size, side=familiarity.side)
    if found is None:
        return None, _MISSED if _has_lattice(counts, pixel_size) else _NO_CRYSTAL
    return unfamiliar(found, familiarity, pixel_size=pixel_size)


def unfamiliar(
    features: Float[np.ndarray, " feature"], familiarity: Familiarity, *, pixel_size: float
) -> tuple[float, str | None]:
    """Return the chance that a training frame is as unusual as these features, and a line if it is small.

    The features become normal scores given the dose; their density is that of a mixture of normal
    distributions fitted to training frames. How small it is, is compared with held-out particles at that
    dose.

    Parameters
    ----------
    features
        From `frame_features`.
    familiarity
        The network's.
    pixel_size
        The network's [Å].
    """
    log_dose = features[:1]
    scores = feature_scores(features[None], familiarity)
    surprise = surprises(scores, log_dose, familiarity)
    rank = normal_scores(surprise[:, None], log_dose, familiarity.log_dose, familiarity.surprise[:, None])
    chance = float(tail_chance(rank[0], familiarity.tail)[0])
    return chance, oddity(features, scores[0], familiarity, pixel_size) if chance < RARE else None


def feature_scores(
    features: Float[np.ndarray, "n feature"], familiarity: Familiarity
) -> Float[np.ndarray, "n score"]:
    """Return the normal scores of all features but the dose."""
    found = normal_scores(features[:, 1:], features[:, 0], familiarity.log_dose, familiarity.features)
    return np.asarray(np.clip(found, -FARTHEST, FARTHEST))


def coordinates(
    scores: Float[np.ndarray, "n score"],
    log_dose: Float[np.ndarray, " n"],
    knots: Float[np.ndarray, " k"],
) -> Float[np.ndarray, "n coordinate"]:
    """Return what the mixture is a distribution of: the scores, and log10 of the dose within the knots."""
    return np.column_stack([scores, np.clip(log_dose, knots[0], knots[-1])])


def surprises(
    scores: Float[np.ndarray, "n score"], log_dose: Float[np.ndarray, " n"], familiarity: Familiarity
) -> Float[np.ndarray, " n"]:
    """Return minus the log density of frames under the mixture."""
    from scipy.linalg import solve_triangular
    from scipy.special import logsumexp

    places = coordinates(scores, log_dose, familiarity.log_dose)
    parts = []
    for weight, mean, spread in zip(familiarity.weight, familiarity.mean, familiarity.spread, strict=True):
        white = solve_triangular(spread, (places - mean).T, lower=True)
        scale = np.log(np.diagonal(spread)).sum() + 0.5 * len(mean) * np.log(2 * np.pi)
        parts.append(np.log(max(weight, 1e-300)) - 0.5 * (white**2).sum(0) - scale)
    return -np.asarray(logsumexp(np.array(parts), axis=0))


def tail_chance(rank: Float[np.ndarray, " n"], tail: float) -> Float[np.ndarray, " n"]:
    """Return the chance of a score as high, normal in the bulk and exponential in the highest tenth."""
    from scipy.special import ndtr, ndtri

    start = float(ndtri(1 - _TAIL))
    return np.where(rank < start, ndtr(-rank), _TAIL * np.exp(-np.maximum(rank - start, 0.0) / tail))


def excess(rank: Float[np.ndarray, " n"]) -> float:
    """Return the mean excess of the scores beyond the start of the tail, and its standard error more.

    So the tail is rather too long than too short, the more so the fewer frames there are.
    """
    start = standard_normal((1 - _TAIL,))[0]
    beyond = rank[rank > start] - start
    return float(beyond.mean() * (1 + 1 / np.sqrt(len(beyond)))) if len(beyond) else 1.0


def _has_lattice(counts: Float[np.ndarray, "y x"], pixel_size: float) -> bool:
    """Return whether the power spectrum shows the spots of a crystal."""
    if min(counts.shape) < 16 or not np.ptp(counts):
        return False
    found = spots(spectrum(counts), spacing_range(counts.shape, pixel_size))
    return int(np.count_nonzero(found)) >= _SPOTS
