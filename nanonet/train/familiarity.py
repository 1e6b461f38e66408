"""Learning what the frames of a training are like, when the network is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from nanonet.atomic_columns.familiar import coordinates, excess, feature_scores, surprises
from nanonet.atomic_columns.frame_features import NAMES, frame_features
from nanonet.atomic_columns.normal_scores import normal_scores, quantile_tables
from nanonet.atomic_columns.readout import Reading, read_columns
from nanonet.data.column_depth import ColumnDepthDataset
from nanonet.records import ColumnSample, InputError, TrainedNetwork
from nanonet.records.familiarity import LEVELS, Familiarity

_OTHER_DRAWS = 2
"""Epoch of a dataset that frames are drawn from: those of epoch 0 have chosen the best weights."""
_KNOTS_A_DECADE = 1.5
_MOST_PARTS = 6
_FRAMES_A_PART = 150
_LEAST_FRAMES = 60
_SMOOTH = 0.1  # added to the variances of the mixture, of normal scores
_TOLERANCE = {
    "noise_colour": 1.0,
    "noise_growth": 0.1,
    "fringes": 0.1,
    "background": 0.2,
    "elongation": 0.03,
    "visibility": 0.1,
    "spacing": 0.008,
    "order": 0.1,
    "entropy": 0.01,
    "presence": 0.1,
    "deepest": 0.01,
}
"""Standard deviations of the features below which a difference is of no concern, see `frame_features`.

A simulation is more uniform than any microscope: without these a real frame would stand out by a
calibration that is 1 % off, or noise that is not quite white.
"""
_SHAPE_TOLERANCE = 0.15


def fit_familiarity(
    network: TrainedNetwork,
    training: ColumnDepthDataset,
    held_out: ColumnDepthDataset,
    *,
    frames: int | None = None,
) -> Familiarity:
    """Return what the frames of a training are like to its network.

    Parameters
    ----------
    network
        The trained one.
    training
        Frames of it make the distribution.
    held_out
        Frames of other structures say how unusual is rare.
    frames
        How many are drawn of each; None for four epochs of ``held_out``.

    Raises
    ------
    InputError
        If columns are found in too few of the frames.
    """
    frames = frames or 4 * len(held_out)
    known, _, side = _drawn_features(network, training, frames)
    other, structures, _ = _drawn_features(network, held_out, frames)
    return familiarity_of(known, other, structures, side=side)


def familiarity_of(
    features: Float[np.ndarray, "n feature"],
    held_out: Float[np.ndarray, "m feature"],
    structures: Int[np.ndarray, " m"],
    *,
    side: int,
) -> Familiarity:
    """Return the distribution of features, and how unusual held-out ones are under it.

    Parameters
    ----------
    features
        One row a training frame, from `frame_features`.
    held_out
        Likewise, of structures that are not among these.
    structures
        Which structure each held-out frame is of.
    side
        Of the training images [px].

    Raises
    ------
    InputError
        If there are too few frames.
    """
    if min(len(features), len(held_out)) < _LEAST_FRAMES:
        raise InputError(
            f"what training frames are like needs {_LEAST_FRAMES} of them with columns, and as many of other "
            f"structures, got {len(features)} and {len(held_out)}"
        )
    log_dose = features[:, 0]
    knots = _knots(log_dose)
    shape = features.shape[1] - len(NAMES)
    tolerance = np.array([*(_TOLERANCE[name] for name in NAMES[1:]), *[_SHAPE_TOLERANCE] * shape])
    tables = quantile_tables(features[:, 1:], log_dose, knots, tolerance)
    scores = normal_scores(features[:, 1:], log_dose, knots, tables)
    weight, mean, spread = _mixture(coordinates(scores, log_dose, knots))
    whole = Familiarity(
        side=side,
        log_dose=knots,
        features=tables,
        weight=weight,
        mean=mean,
        spread=spread,
        surprise=np.tile(np.arange(len(LEVELS), dtype=float), (len(knots), 1)),
        tail=1.0,
        frames=len(held_out),
        structures=len(np.unique(structures)),
    )
    return _judged(whole, held_out, structures)


def _judged(
    unjudged: Familiarity, held_out: Float[np.ndarray, "m feature"], structures: Int[np.ndarray, " m"]
) -> Familiarity:
    """Return a familiarity that knows how unusual held-out frames are.

    The tail is that of either half of the structures under the quantiles of the other: a frame that helps to
    make the quantiles lies too near to them.
    """
    log_dose, knots = held_out[:, 0], unjudged.log_dose
    surprise = surprises(feature_scores(held_out, unjudged), log_dose, unjudged)[:, None]
    _, number = np.unique(structures, return_inverse=True)
    rank = np.empty(len(held_out))
    for half in (number % 2 == 0, number % 2 == 1):
        table = _surprise_table(surprise[~half], log_dose[~half], knots)
        rank[half] = normal_scores(surprise[half], log_dose[half], knots, table)[:, 0]
    whole = _surprise_table(surprise, log_dose, knots)
    return replace(unjudged, surprise=whole[:, 0], tail=excess(rank))


def _surprise_table(
    surprise: Float[np.ndarray, "n 1"], log_dose: Float[np.ndarray, " n"], knots: Float[np.ndarray, " k"]
) -> Float[np.ndarray, "k 1 7"]:
    return quantile_tables(surprise, log_dose, knots, np.array([_SMOOTH]))


def _knots(log_dose: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"]:
    low, high = np.quantile(log_dose, [0.01, 0.99])
    return np.linspace(low, max(high, low + 0.1), max(2, round(_KNOTS_A_DECADE * (high - low)) + 1))


def _mixture(
    places: Float[np.ndarray, "n g"],
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "m g"], Float[np.ndarray, "m g g"]]:
    """Return weights, means and lower triangles of the covariances of a mixture of normal distributions."""
    from sklearn.mixture import GaussianMixture

    parts = max(1, min(_MOST_PARTS, len(places) // _FRAMES_A_PART))
    fitted = GaussianMixture(parts, reg_covar=_SMOOTH, random_state=0).fit(places)
    return fitted.weights_, fitted.means_, np.linalg.cholesky(fitted.covariances_)


def _drawn_features(
    network: TrainedNetwork, dataset: ColumnDepthDataset, frames: int
) -> tuple[Float[np.ndarray, "n feature"], Int[np.ndarray, " n"], int]:
    """Return the features of drawn frames that show columns, of which structure each is, and their side."""
    found, structures, side = [], [], 0
    for sample, reading in _read(network, dataset, frames):
        middle = sample.frames
        side = min(middle.shape[-2:])
        features = frame_features(middle[len(middle) // 2], reading, pixel_size=network.sampling, side=side)
        if features is not None:
            found.append(features)
            structures.append(sample.structure)
    if not found:
        raise InputError("the network finds no columns in its own training images: train it longer")
    return np.array(found), np.array(structures), side


def _read(
    network: TrainedNetwork, dataset: ColumnDepthDataset, frames: int
) -> Iterator[tuple[ColumnSample, Reading]]:
    from scipy.special import softmax

    first = _OTHER_DRAWS * len(dataset)
    for index in range(first, first + frames):
        sample = dataset.sample(index)
        probabilities = np.asarray(softmax(network.read(sample.frames, sample.counts_per_atom), axis=0))
        scale = 1.0 / sample.pixel_size
        yield (
            sample,
            read_columns(
                probabilities,
                smoothing=0.3 * scale,
                separation=1.0 * scale,
                radius=0.6 * scale,
                min_probability=0.02,
            ),
        )
