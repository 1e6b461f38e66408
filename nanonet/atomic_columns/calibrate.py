"""Probabilities that come true: what corrects a network's readings, fitted to known truth, and applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import InputError
from nanonet.records.calibration import Calibration, ReadColumns

_TINY = 1e-9
"""What a network takes for impossible counts as this probable: one such column must not decide alone."""
_STIFFNESS = 20.0
"""Penalty on the squared step of a parameter from one dose to the next [nats]."""
_SHRINKAGE = 100.0
"""Penalty on the squared offset of a depth [nats]: large, since the columns of an image and the images of a
particle err alike, so that thousands of them say as much as some dozens that were independent."""
_LEAST_LEVEL = 0.5
"""An interval that need not hold more than half of the probability would say nothing."""
_NEAREST = 1.25
"""Least ratio of the doses that have parameters of their own."""
_WIDE = (-5.0, 5.0)
"""Limits of parameters that are logarithms."""

_LEAST_CHANCE = 1e-4
"""Chances of a column are cut to what so many readings can tell from 0 and 1."""

Knots = Float[np.ndarray, " k"]
Cost = Callable[[np.ndarray], tuple[float, np.ndarray]]
Doses = float | Float[np.ndarray, " n"] | None
"""[e/Å²]: of one image, of each reading, or unknown."""


def calibrated(
    posterior: Float[np.ndarray, "n depth"],
    dose: Doses,
    calibration: Calibration,
    evidence: Float[np.ndarray, "n depth"] | None = None,
) -> Float[np.ndarray, "n depth"]:
    """Return posteriors over depth that come true.

    Their logarithms are divided by a temperature (Guo et al., 2017, arXiv 1706.04599), which is a matter of
    the dose, and an offset is added for each depth that is named too often or too seldom (bias-corrected
    temperature scaling: Alexandari et al., 2020, arXiv 1901.06852), and what the measured intensity says,
    with a weight that goes by the dose, too. The most probable depth may change.

    Parameters
    ----------
    posterior
        (n, D), rows sum to 1.
    dose
        [e/Å²] of the frame, or of each row; None where it is unknown: then the mean over the calibration's
        doses is taken.
    calibration
        Of the network that the posteriors are from.
    evidence
        (n, D) log likelihoods by the measured intensity; None where there is none.

    Raises
    ------
    InputError
        If it is of a network with another number of depths.
    """
    if posterior.shape[1] != len(calibration.depth_offset):
        raise InputError(
            f"the calibration is of a network that reads {len(calibration.depth_offset)} depths, "
            f"not {posterior.shape[1]}"
        )
    log_temperature = _at(dose, calibration, np.log(calibration.temperature))
    offset = np.array(calibration.depth_offset)
    if evidence is not None:
        offset = offset + _at(dose, calibration, calibration.evidence_weight)[..., None] * evidence
    return _moved(posterior, np.exp(log_temperature), offset)


def calibrated_presence(
    presence: Float[np.ndarray, " n"], dose: Doses, calibration: Calibration
) -> Float[np.ndarray, " n"]:
    """Return chances of there being a column that come true: slope · log odds + offset (Platt, 1999).

    ``dose`` and ``calibration`` as in `calibrated`.
    """
    slope, offset = _line(dose, calibration)
    return np.asarray(1 / (1 + np.exp(-(slope * _log_odds(presence) + offset))))


def interval_level(dose: float | None, calibration: Calibration) -> float:
    """Return what probability the interval of a depth has to hold at a dose; see `Calibration`."""
    return float(_at(dose, calibration, calibration.level))


def fit_calibration(
    read: ReadColumns, *, coverage: float = 0.9, min_probability: float = 0.5, doses: int = 7
) -> Calibration:
    """Return the calibration that fits columns of known truth, without its reliability.

    Everything but the level is found by maximum likelihood: the chance of a column from all readings, then
    temperature and offsets from the true columns that are reported. Logarithms of temperature and slope, and
    the offset of the log odds, are piecewise linear in the logarithm of the dose.

    The level of the intervals is that of split conformal prediction (Vovk et al., 2005; Lei et al., 2018):
    the least with which intervals hold the share ``coverage`` of the true depths, on columns whose particles
    the temperature was not fitted to. The halves of the particles take turns (cross-fitting), and the last
    temperature is that of all. Where even the shortest intervals hold more, coverage is larger: nothing is
    left out at random.

    Parameters
    ----------
    read
        From structures that the network was not trained on; also columns that it thinks improbable.
    coverage
        Share of true depths that intervals are to hold.
    min_probability
        Least chance of a column that is reported.
    doses
        At how many doses there are parameters, at equal shares of the columns; fewer where doses are alike.

    Raises
    ------
    InputError
        If there are not true columns of at least two particles.
    """
    if not len(read):
        raise InputError("no column was found to calibrate with: train the network for longer")
    knots = _knots(read.dose, doses)
    slope, offset = _fit_presence(read, knots)
    bare = Calibration(
        dose=_plain(knots),
        temperature=(1.0,) * len(knots),
        depth_offset=(0.0,) * read.posterior.shape[1],
        level=(coverage,) * len(knots),
        presence_slope=_plain(slope),
        presence_offset=_plain(offset),
    )
    reported = calibrated_presence(read.presence, read.dose, bare) >= min_probability
    real = read.take(reported & (read.depth > 0))
    return _with_levels(_with_temperature(bare, real), real, coverage)


def first_half(particle: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Return which readings are of the first, third, ... particle: a half that shares none with the rest."""
    _, rank = np.unique(particle, return_inverse=True)
    return np.asarray(rank % 2 == 0)


def _with_levels(calibration: Calibration, real: ReadColumns, coverage: float) -> Calibration:
    """Return a calibration with the levels that cover, by temperatures of the other half of the particles."""
    first = first_half(real.particle)
    if not (first.any() and (~first).any()):
        raise InputError("a calibration needs true columns of two particles at least: give more structures")
    least = np.empty(len(real))
    for half in (first, ~first):
        own, other = real.take(half), _with_temperature(calibration, real.take(~half))
        least[half] = _least_level(calibrated(own.posterior, own.dose, other, own.evidence), own.depth)
    hats = _hats(real.dose, np.array(calibration.dose))
    return replace(calibration, level=_plain(_quantiles(least, hats, coverage)))


def _with_temperature(calibration: Calibration, real: ReadColumns) -> Calibration:
    """Return a calibration with the likeliest temperatures, offsets of depths and weights of evidence."""
    logp = np.log(np.maximum(real.posterior, _TINY))
    n, deepest = logp.shape
    true = (np.arange(n), real.depth - 1)
    hats = _hats(real.dose, np.array(calibration.dose))
    k = hats.shape[1]

    def cost(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        sharpness, offset, weight = np.exp(-hats @ parameters[:k]), parameters[k:-k], hats @ parameters[-k:]
        scaled = logp * sharpness[:, None] + offset + weight[:, None] * real.evidence
        highest = scaled.max(1)
        chance = np.exp(scaled - highest[:, None])
        total = chance.sum(1)
        value = float((np.log(total) + highest - scaled[true]).sum() + _SHRINKAGE * (offset**2).sum())
        chance /= total[:, None]
        by_temperature = hats.T @ (sharpness * (logp[true] - (chance * logp).sum(1)))
        excess = chance.sum(0) - np.bincount(true[1], minlength=deepest) + 2 * _SHRINKAGE * offset
        by_weight = hats.T @ ((chance * real.evidence).sum(1) - real.evidence[true])
        return value, np.concatenate([by_temperature, excess, by_weight])

    bounds = [_WIDE] * (k + deepest) + [(0.0, 1.0)] * k
    weights = slice(k + deepest, None)
    found = _most_likely(cost, np.zeros(2 * k + deepest), bounds, stiff=(slice(0, k), weights))
    offset = found[k:-k] - found[k:-k].mean()
    return replace(
        calibration,
        temperature=_plain(np.exp(found[:k])),
        depth_offset=_plain(offset),
        evidence_weight=_plain(found[weights]),
    )


def _fit_presence(read: ReadColumns, knots: Knots) -> tuple[Knots, Knots]:
    """Return the most likely slope and offset of the log odds of a column at each dose."""
    odds, real, hats = _log_odds(read.presence), read.depth > 0, _hats(read.dose, knots)
    k = len(knots)

    def cost(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        log_slope, offset = np.split(parameters, 2)
        slope = np.exp(hats @ log_slope)
        moved = slope * odds + hats @ offset
        error = 1 / (1 + np.exp(-moved)) - real
        gradient = np.concatenate([hats.T @ (error * slope * odds), hats.T @ error])
        # A nat for each unit: where every reading is real the chance must end somewhere below 1.
        value = float((np.logaddexp(0, moved) - real * moved).sum() + (parameters**2).sum())
        return value, gradient + 2 * parameters

    stiff = (slice(0, k), slice(k, 2 * k))
    log_slope, offset = np.split(_most_likely(cost, np.zeros(2 * k), [_WIDE] * 2 * k, stiff), 2)
    return np.exp(log_slope), offset


def _most_likely(
    cost: Cost, start: np.ndarray, bounds: Sequence[tuple[float, float]], stiff: Sequence[slice]
) -> np.ndarray:
    """Return the parameters of least cost, of which each ``stiff`` part changes little from dose to dose."""
    from scipy.optimize import minimize

    def penalised(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = cost(parameters)
        for part in stiff:
            steps = np.diff(parameters[part])
            value += _STIFFNESS * float((steps**2).sum())
            gradient[part] -= 2 * _STIFFNESS * np.diff(np.pad(steps, 1))
        return value, gradient

    return np.asarray(minimize(penalised, start, jac=True, method="L-BFGS-B", bounds=bounds).x)


def _least_level(
    posterior: Float[np.ndarray, "n depth"], depth: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Return the level above which each narrowest interval holds the true depth, whatever the level.

    An interval of a higher level is never shorter, but of a posterior with two maxima it may lie elsewhere:
    the last length at which the truth is missed decides, so that coverage is never less than was asked for.
    """
    cumulated = np.pad(np.cumsum(posterior, axis=1), ((0, 0), (1, 0)))
    least = np.zeros(len(depth))
    for length in range(1, posterior.shape[1] + 1):
        inside = cumulated[:, length:] - cumulated[:, :-length]
        best = inside.argmax(1)
        missed = (depth <= best) | (depth > best + length)
        least[missed] = inside.max(1)[missed]
    return least


def _quantiles(score: Float[np.ndarray, " n"], weights: Float[np.ndarray, "n k"], share: float) -> Knots:
    """Return for each column of weights the level that just exceeds the ``share`` of the weighted scores.

    The column that is still to come counts as one more score, the largest of all: what makes coverage hold
    for few columns too.
    """
    order = np.argsort(score)
    cumulated = np.cumsum(weights[order], axis=0)
    levels = np.append(score[order], 1.0)
    at = [int(np.searchsorted(column, share * (column[-1] + 1))) for column in cumulated.T]
    return np.asarray(np.clip(np.nextafter(levels[at], 2.0), _LEAST_LEVEL, 1.0))


def _moved(
    posterior: Float[np.ndarray, "n depth"], temperature: np.ndarray, offset: Float[np.ndarray, "*n depth"]
) -> Float[np.ndarray, "n depth"]:
    scaled = np.log(np.maximum(posterior, _TINY)) / temperature[..., None] + offset
    chance = np.exp(scaled - scaled.max(1, keepdims=True))
    return np.asarray(chance / chance.sum(1, keepdims=True))


def _log_odds(chance: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    kept = np.clip(chance, _LEAST_CHANCE, 1 - _LEAST_CHANCE)
    return np.asarray(np.log(kept / (1 - kept)))


def _knots(dose: Float[np.ndarray, " n"], most: int) -> Knots:
    """Return doses between which there are equal numbers of columns."""
    wanted = np.exp(np.quantile(np.log(dose), np.linspace(0, 1, most)))
    kept = [wanted[0]]
    for knot in wanted[1:]:
        if knot >= _NEAREST * kept[-1]:
            kept.append(knot)
    return np.array(kept)


def _hats(dose: Float[np.ndarray, " n"], knots: Knots) -> Float[np.ndarray, "n k"]:
    """Return the share that each knot has in a value that is interpolated at a dose."""
    place = np.interp(np.log(dose), np.log(knots), np.arange(len(knots)))
    return np.asarray(np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(len(knots)))))


def _at(dose: Doses, calibration: Calibration, values: Sequence[float] | np.ndarray) -> np.ndarray:
    if dose is None:
        return np.asarray(np.mean(values))
    return np.asarray(np.interp(np.log(dose), np.log(calibration.dose), values))


def _line(dose: Doses, calibration: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """Return slope and offset of the log odds of a column."""
    log_slope = _at(dose, calibration, np.log(calibration.presence_slope))
    return np.exp(log_slope), _at(dose, calibration, calibration.presence_offset)


def _plain(values: Knots) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
