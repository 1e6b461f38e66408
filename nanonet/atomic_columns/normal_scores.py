"""Numbers of any distribution as standard normal ones, by quantiles that depend on the dose."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nanonet.records.familiarity import LEVELS

_WIDTH = 0.35  # decades of dose that share their quantiles
_MIDDLE = LEVELS.index(0.5)
_LEAST = 1e-6  # between two quantiles


def standard_normal(levels: tuple[float, ...] = LEVELS) -> Float[np.ndarray, " q"]:
    """Return the quantiles of the standard normal distribution."""
    from scipy.special import ndtri

    return np.asarray(ndtri(np.array(levels)))


def quantile_tables(
    values: Float[np.ndarray, "n f"],
    log_dose: Float[np.ndarray, " n"],
    knots: Float[np.ndarray, " k"],
    tolerance: Float[np.ndarray, " f"],
) -> Float[np.ndarray, "k f 7"]:
    """Return the quantiles of each feature at each knot, of the frames with about its dose.

    Parameters
    ----------
    values
        One row a frame; NaN where a feature is unknown.
    log_dose
        log10 of the dose of each.
    knots
        log10 of the doses that quantiles are wanted at; frames count by a Gaussian of 0.35 decades.
    tolerance
        Of each feature: a standard deviation below which differences do not matter. Neighbouring quantiles
        are at least as far apart as those of a normal distribution of that width.
    """
    tables = np.zeros((len(knots), values.shape[1], len(LEVELS)))
    scores = standard_normal()
    for i, knot in enumerate(knots):
        weight = np.exp(-((log_dose - knot) ** 2) / (2 * _WIDTH**2))
        for j, column in enumerate(values.T):
            found = _quantiles(column, log_dose - knot, weight)
            steps = np.maximum(np.diff(found), max(tolerance[j], _LEAST) * np.diff(scores))
            ladder = np.concatenate([[0.0], np.cumsum(steps)])
            tables[i, j] = found[_MIDDLE] + ladder - ladder[_MIDDLE]
    return tables


def _quantiles(
    values: Float[np.ndarray, " n"], off: Float[np.ndarray, " n"], weight: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " 7"]:
    """Return weighted quantiles where ``off`` is 0, to which the values are brought along a straight line."""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(len(LEVELS))
    values, off, weight = values[known], off[known], weight[known] + 1e-12
    weight = weight / weight.sum()
    aside = off - weight @ off
    slope = (weight * aside) @ values / max(weight @ aside**2, 1e-12)
    level = values - slope * off
    order = np.argsort(level)
    share = np.cumsum(weight[order]) - weight[order] / 2
    return np.asarray(np.interp(LEVELS, share, level[order]))


def normal_scores(
    values: Float[np.ndarray, "n f"],
    log_dose: Float[np.ndarray, " n"],
    knots: Float[np.ndarray, " k"],
    tables: Float[np.ndarray, "k f 7"],
) -> Float[np.ndarray, "n f"]:
    """Return each feature as a standard normal number, given the dose; 0, as if typical, where it is NaN.

    Between the quantiles it is interpolated. Beyond the outermost it grows in proportion to the distance
    from the median.
    """
    scores = standard_normal()
    table = _at(log_dose, knots, tables)
    place = np.clip((values[..., None] > table).sum(-1), 1, len(LEVELS) - 1)
    below, above = (np.take_along_axis(table, (place - i)[..., None], -1)[..., 0] for i in (1, 0))
    share = (values - below) / (above - below)
    inner = scores[place - 1] + share * (scores[place] - scores[place - 1])
    away = values - table[..., _MIDDLE]
    low = scores[0] * away / (table[..., 0] - table[..., _MIDDLE])
    high = scores[-1] * away / (table[..., -1] - table[..., _MIDDLE])
    found = np.where(values < table[..., 0], low, np.where(values > table[..., -1], high, inner))
    return np.where(np.isfinite(values), found, 0.0)


def medians(
    log_dose: Float[np.ndarray, " n"], knots: Float[np.ndarray, " k"], tables: Float[np.ndarray, "k f 7"]
) -> Float[np.ndarray, "n f"]:
    """Return what is typical of each feature at each dose."""
    return np.asarray(_at(log_dose, knots, tables)[..., _MIDDLE])


def _at(
    log_dose: Float[np.ndarray, " n"], knots: Float[np.ndarray, " k"], tables: Float[np.ndarray, "k f 7"]
) -> Float[np.ndarray, "n f 7"]:
    """Return the quantiles at each dose, interpolated between the knots and held beyond them."""
    place = np.interp(log_dose, knots, np.arange(len(knots)))
    left = np.minimum(place.astype(int), max(len(knots) - 2, 0))
    right = np.minimum(left + 1, len(knots) - 1)
    share = (place - left)[:, None, None]
    return np.asarray((1 - share) * tables[left] + share * tables[right])
