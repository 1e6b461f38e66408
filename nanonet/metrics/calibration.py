"""Do probabilities come true: reliability, calibration error, coverage of intervals."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import Estimate, InputError
from nanonet.records.calibration import Reliability

_BINS = 10
_DRAWS = 1000
FAR_OUT = 0.01
"""Share of the readings, at either end of their doses, that ranges of doses are told without."""


def reliability(
    confidence: Float[np.ndarray, " n"],
    right: Bool[np.ndarray, " n"],
    dose: Float[np.ndarray, " n"],
    bins: int = _BINS,
) -> Reliability:
    """Return how often readings of each confidence are right, in bins of equal width between 0 and 1.

    Bins without a reading are left out. The range of doses is told without what lies far out.

    Parameters
    ----------
    confidence
        Probability that the reading is right, as it is claimed.
    right
        Whether it is.
    dose
        Of the image [e/Å²].

    Raises
    ------
    InputError
        If there are no readings.
    """
    if not len(confidence):
        raise InputError("there are no readings whose reliability could be told")
    inside = np.clip((confidence * bins).astype(int), 0, bins - 1)
    sums = _sums(confidence, right, inside, bins)
    number, claimed, came_true = sums[:, sums[0] > 0]
    return Reliability(
        dose=(float(np.quantile(dose, FAR_OUT)), float(np.quantile(dose, 1 - FAR_OUT))),
        confidence=tuple((claimed / number).tolist()),
        right=tuple((came_true / number).tolist()),
        number=tuple(number.astype(int).tolist()),
    )


def calibration_error(
    confidence: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"], bins: int = _BINS
) -> float:
    """Return the expected calibration error: the mean over readings of |share right - mean confidence|.

    Both are of the bin that a reading is in; bins hold about equal numbers of readings (adaptive binning:
    Nixon et al., 2019, arXiv 1904.01685). The scatter of the shares makes it larger than it truly is, by
    about 0.4 / sqrt(readings in a bin) where half of all are right; `calibration_error_estimate` takes that
    off.
    """
    return float(_error(_sums(confidence, right, _bin_of(confidence, bins), bins)))


def calibration_error_estimate(
    confidence: Float[np.ndarray, " n"],
    right: Bool[np.ndarray, " n"],
    particle: Int[np.ndarray, " n"],
    bins: int = _BINS,
) -> Estimate:
    """Return the calibration error freed from the bias of few readings, with its 90 % interval.

    Both come from a bootstrap over particles, whose columns are alike: by what the error grows in a resample
    it is too large in the sample. The interval is the basic one (reversed percentiles), since percentiles
    would count that bias twice. With a single particle there is neither.
    """
    inside = _bin_of(confidence, bins)
    value = float(_error(_sums(confidence, right, inside, bins)))
    members = _members(particle)
    note = f"{value:.3f} with the scatter of {len(confidence)} readings of {len(members)} particles"
    if len(members) < 2:
        return Estimate(name="calibration_error", value=value, note=note)
    parts = np.stack([_sums(confidence[own], right[own], inside[own], bins) for own in members])
    again = _error(_resampled(parts))
    low, middle, high = 2 * value - np.array(
        [*np.quantile(again, [0.95]), again.mean(), *np.quantile(again, [0.05])]
    )
    return Estimate(
        name="calibration_error",
        value=max(float(middle), 0.0),
        low=max(float(low), 0.0),
        high=max(float(high), 0.0),
        note=note,
    )


def coverage_estimate(inside: Bool[np.ndarray, " n"], particle: Int[np.ndarray, " n"]) -> Estimate:
    """Return the share of true depths inside their intervals, with its own 90 % interval over particles."""
    members = _members(particle)
    value = float(inside.mean()) if len(inside) else float("nan")
    note = f"over {len(inside)} columns of {len(members)} particles"
    if len(members) < 2:
        return Estimate(name="coverage", value=value, note=note)
    sums = _resampled(np.array([(inside[own].sum(), len(own)) for own in members], dtype=float))
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [0.05, 0.95])
    return Estimate(name="coverage", value=value, low=float(low), high=float(high), note=note)


def _bin_of(confidence: Float[np.ndarray, " n"], bins: int) -> Int[np.ndarray, " n"]:
    """Return the bin of each reading, bins of about equal numbers; equal confidences are never parted."""
    if not len(confidence):
        return np.empty(0, dtype=np.int64)
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, confidence, side="left")


def _sums(
    confidence: Float[np.ndarray, " n"],
    right: Bool[np.ndarray, " n"],
    inside: Int[np.ndarray, " n"],
    bins: int,
) -> Float[np.ndarray, "3 bin"]:
    """Return number, summed confidence and number right of each bin."""
    weights = (np.ones(len(confidence)), confidence, right)
    return np.stack([np.bincount(inside, weights=weight, minlength=bins) for weight in weights])


def _error(sums: Float[np.ndarray, "*s 3 bin"]) -> Float[np.ndarray, "*s"]:
    number, claimed, came_true = np.moveaxis(sums, -2, 0)
    return np.asarray(np.abs(came_true - claimed).sum(-1) / np.maximum(number.sum(-1), 1.0))


def _members(particle: Int[np.ndarray, " n"]) -> list[Int[np.ndarray, " m"]]:
    """Return the readings of each particle."""
    order = np.argsort(particle, kind="stable")
    return [part for part in np.split(order, np.flatnonzero(np.diff(particle[order])) + 1) if len(part)]


def _resampled(parts: Float[np.ndarray, "particle *s"]) -> Float[np.ndarray, "draw *s"]:
    """Return the sums over particles that are drawn with replacement."""
    n = len(parts)
    times = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=_DRAWS)
    return np.tensordot(times.astype(float), parts, axes=1)
