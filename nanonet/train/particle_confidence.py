"""How far particles are to be believed, measured on whole images that a mask network was not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float, Int

from nanonet.data.particle_masks import MaskSampler
from nanonet.records import MaskSample, ParticleConfidence, TrainedNetwork
from nanonet.records.confidence import terms
from nanonet.segment.candidates import FEATURES, Candidates
from nanonet.segment.network import looks
from nanonet.segment.settle import on_frame

IMAGES = 96
_RIDGE = 0.01
"""Penalty of the squared weights, against the mean cost of an image."""
_KNOWN = 0.9
"""Candidates of which less lies where the truth is known say nothing."""


def whole_images(
    sampler: MaskSampler, structures: Iterable[int], *, number: int = IMAGES, seed: int = 0
) -> Iterator[MaskSample]:
    """Yield images of the structures in turn, with the truth of every pixel."""
    those = list(structures)
    for index in range(number):
        yield sampler.draw(those[index % len(those)], np.random.default_rng([seed, index]))


def measure_confidence(network: TrainedNetwork, samples: Iterable[MaskSample]) -> ParticleConfidence:
    """Return what overlap with a true particle is to be expected of what looks how.

    Every candidate of every look at every image is set against the truth: its intersection over union with
    the true particle that it meets best. A logistic function of its features is fitted to that by the
    cross-entropy, each image with the same weight, with a ridge.

    Parameters
    ----------
    samples
        Whole images, of nothing that the network learnt from.
    """
    from scipy.optimize import minimize

    features, overlap, weight = _seen(network, samples)
    mean = features.mean(axis=0) if len(features) else np.zeros(len(FEATURES))
    deviation = features.std(axis=0) if len(features) else np.ones(len(FEATURES))
    deviation[deviation < 1e-6] = 1.0
    given = terms(features, tuple(mean), tuple(deviation))

    def cost(weights: Float[np.ndarray, " t"]) -> tuple[float, Float[np.ndarray, " t"]]:
        odds = given @ weights
        off = weight * (1 / (1 + np.exp(-odds)) - overlap)
        penalty = _RIDGE * weights
        penalty[0] = 0.0
        value = weight @ (np.logaddexp(0, odds) - overlap * odds) + 0.5 * penalty @ weights
        return float(value), given.T @ off + penalty

    best = minimize(cost, np.zeros(given.shape[1]), jac=True, method="L-BFGS-B").x
    return ParticleConfidence(
        features=FEATURES,
        mean=tuple(map(float, mean)),
        deviation=tuple(map(float, deviation)),
        weights=tuple(map(float, best)),
    )


def _seen(
    network: TrainedNetwork, samples: Iterable[MaskSample]
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return features, overlap and weight of all candidates; the weights sum to 1."""
    features, overlaps, weights = [np.zeros((0, len(FEATURES)))], [np.zeros(0)], [np.zeros(0)]
    for sample in samples:
        parts = [(look.features, overlap(look, sample.instances)) for look in looks(sample.image, network)]
        values, found = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        known = np.isfinite(found)
        features.append(values[known])
        overlaps.append(found[known])
        weights.append(np.full(int(known.sum()), 1 / max(int(known.sum()), 1)))
    weight = np.concatenate(weights)
    return np.concatenate(features), np.concatenate(overlaps), weight / max(float(weight.sum()), 1e-12)


def overlap(look: Candidates, truth: Int[np.ndarray, "y x"]) -> Float[np.ndarray, " n"]:
    """Return the intersection over union of each candidate with the true particle that it meets best.

    NaN where too little is known of the truth under it.

    Parameters
    ----------
    truth
        (y, x) the particle on every pixel, 0 for none, -1 where it is not known.
    """
    areas = np.bincount(np.maximum(truth, 0).ravel())
    best = np.full(len(look), np.nan)
    for index in range(len(look)):
        box, mask = on_frame(look, index, (truth.shape[0], truth.shape[1]))
        under = truth[box][mask]
        if not len(under) or np.mean(under >= 0) < _KNOWN:
            continue
        under = under[under >= 0]
        common = np.bincount(under, minlength=len(areas))
        union = len(under) + areas - common
        best[index] = float((common[1:] / np.maximum(union[1:], 1)).max(initial=0.0))
    return best
