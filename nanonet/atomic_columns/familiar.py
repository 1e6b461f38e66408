"""Is a frame like those that the network was trained on? One number, and what is odd in words."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nanonet.atomic_columns.frame_features import NAMES, frame_features
from nanonet.atomic_columns.image_features import shape_edges
from nanonet.atomic_columns.noise import spectrum
from nanonet.atomic_columns.normal_scores import medians, normal_scores, standard_normal
from nanonet.atomic_columns.readout import Reading
from nanonet.atomic_columns.scale import spacing_range, spots
from nanonet.records.familiarity import Familiarity

RARE = 0.01
"""A frame is flagged where fewer than this share of training-like frames are as unusual."""
FARTHEST = 30.0
"""Normal scores are cut here: what is farther is no less like the training."""
_TAIL = 0.1  # the share of held-out frames beyond which their scores are taken for exponential
_TELLING = 3.0  # least normal score that a feature is named for
_ANY = 40.0  # % off a spacing is that of no lattice, but of columns that were found anyhow
_SPOTS = 4  # of the power spectrum that make a lattice

_SAYS = {
    "noise_colour": (
        "the noise is stronger at high frequencies than the training's: was the image sharpened?",
        "the noise is weaker at high frequencies than the training's: was the image filtered, binned or "
        "resampled, or taken with another kind of camera?",
    ),
    "noise_growth": (
        "the noise does not grow with the intensity as that of counts does: was the contrast inverted, or a "
        "background or offset subtracted?",
        "the noise grows faster with the intensity than that of counts: another camera, or was the image "
        "processed?",
    ),
    "fringes": (
        "the lattice is fainter than any of the training at this noise: drift, mistilt, or out of focus?",
        "the lattice is stronger than any of the training at this noise: a thicker or heavier crystal, or "
        "was the contrast stretched or filtered?",
    ),
    "background": (
        "the background is smoother than the training's: was it filtered?",
        "there is structure where no columns were found, more than in the training: a support film, another "
        "crystal, or missed columns?",
    ),
    "elongation": (
        "columns are rounder than the training's",
        "columns are elongated, more than in the training: drift, mistilt or astigmatism?",
    ),
    "visibility": (
        "columns differ among each other more than the training's: are they columns?",
        "columns are more alike than the training's: was the image averaged or filtered?",
    ),
    "order": (
        "the columns that were found lie less regularly than the training's: another zone axis, defects, or "
        "no crystal?",
        "the columns that were found lie more regularly than the training's: another crystal?",
    ),
    "entropy": (
        "the network is surer of the depths than it ever was in training at this noise: do not trust it",
        "the network is less sure of the depths than it was in training at this noise",
    ),
    "presence": (
        "the network is less sure that there are columns than it was in training at this noise",
        "the network is surer that there are columns than it was in training at this noise",
    ),
    "deepest": (
        "fewer columns than in training are read as the deepest class",
        "more columns than in training are read as the deepest class: is the crystal thicker than it can "
        "tell?",
    ),
}
_SHAPE_SAYS = {
    4.0: (
        "variations over more than 4 Å are weaker than the training's: was a background subtracted?",
        "beside the lattice there are stronger variations over more than 4 Å than in the training: a support "
        "film, contamination, another focus, or a lattice blurred by drift or vibration?",
    ),
    1.8: (
        "fringes of the training's spacings are missing: are pixel size, crystal and zone axis those of the "
        "network, and is it in focus?",
        "there are fringes of other spacings than in the training: are pixel size, crystal and zone axis "
        "those of the network, and is it in focus?",
    ),
    0.0: (
        "detail finer than 1.8 Å is weaker than the training's: drift, vibration, focus, or the camera's "
        "transfer?",
        "detail finer than 1.8 Å is stronger than the training's: another focus, or was the image sharpened?",
    ),
}
"""Of the shape of the spectrum, from each spacing [Å] on: said where it is too weak, and too strong."""
_LATTICE = ("background", "fringes", "elongation")
_GROUPS = (
    ("noise_colour",),
    ("noise_growth",),
    ("spacing",),
    _LATTICE,
    ("visibility", "order"),
    ("entropy", "presence", "deepest"),
)
"""What is odd in a later group may follow from what is odd in an earlier one."""
_WHOLE = "the frame as a whole is unlike those of the training, though no one thing stands out"
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

    The features, of which the dose is one, become normal scores given the dose; their density is that of a
    mixture of normal distributions fitted to training frames. How small it is, is compared with held-out
    particles at that dose.

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
    return chance, _line(features, scores[0], familiarity, pixel_size) if chance < RARE else None


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


def _line(
    features: Float[np.ndarray, " feature"],
    scores: Float[np.ndarray, " f"],
    familiarity: Familiarity,
    pixel_size: float,
) -> str:
    """Return in words what is odd: of what may follow from each other, what comes first."""
    by_name = dict(zip(NAMES[1:], scores[: len(NAMES) - 1], strict=True))
    shape = scores[len(NAMES) - 1 :]
    for group in _GROUPS:
        name = max(group, key=lambda name: abs(by_name[name]))
        score = by_name[name]
        if name == "spacing" and by_name["order"] < -max(_TELLING, abs(score)):
            continue  # columns that lie anyhow have no spacing
        band = int(np.argmax(np.abs(shape)))
        if group is _LATTICE and abs(shape[band]) > max(_TELLING, abs(score)):
            return _shape_line(band, bool(shape[band] > 0), familiarity.side, pixel_size)
        if abs(score) > _TELLING:
            return _spacing_line(features, familiarity) if name == "spacing" else _SAYS[name][int(score > 0)]
    return _WHOLE


def _spacing_line(features: Float[np.ndarray, " feature"], familiarity: Familiarity) -> str:
    typical = medians(features[:1], familiarity.log_dose, familiarity.features)[0]
    place = NAMES.index("spacing")
    percent = 100 * (np.exp(features[place] - typical[place - 1]) - 1)
    if abs(percent) > _ANY:
        return _SAYS["order"][0]
    return (
        f"columns lie {abs(percent):.0f} % {'farther apart' if percent > 0 else 'closer together'} than the "
        "training's: is the pixel size right, and are crystal and zone axis those of the network?"
    )


def _shape_line(band: int, strong: bool, side: int, pixel_size: float) -> str:
    low, high = shape_edges(pixel_size, side)[[band, band + 1]]
    spacing = 2 / (low + high)
    for least, said in _SHAPE_SAYS.items():
        if spacing >= least:
            return said[int(strong)]
    raise ValueError(f"a band of the spectrum must lie at a positive spacing, got {spacing} Å")


def _has_lattice(counts: Float[np.ndarray, "y x"], pixel_size: float) -> bool:
    """Return whether the power spectrum shows the spots of a crystal."""
    if min(counts.shape) < 16 or not np.ptp(counts):
        return False
    found = spots(spectrum(counts), spacing_range(counts.shape, pixel_size))
    return int(np.count_nonzero(found)) >= _SPOTS
