"""How fast a particle grows: a straight line through its diameters that outliers do not bend.

The slope is the median of those of all pairs of points (Theil 1950; P. K. Sen, J. Am. Stat. Assoc. 63, 1379
(1968)), taken within pieces, so that a particle may jump in size between them and keep one rate. Its
interval is Sen's, from the ranks of the slopes, with their variance enlarged for errors that last from
frame to frame (K. H. Hamed and A. R. Rao, J. Hydrol. 204, 182 (1998), with an autoregressive process of
first order): a size that does not change along a line has a wider interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

_FEWEST = 5
"""Points from which an interval of 90 % can be told from ranks."""
_MOST = 500
"""Points that are compared pair by pair; longer tracks are taken together in groups of neighbours."""
_NORMAL = 1.6449
"""Of the 90 % interval of a normal distribution."""
_LARGEST = 0.95
"""Correlation of one error with the next, at most."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Change of a length per unit of time, with its 90 % interval."""

    value: float
    low: float
    high: float


def growth_rate(
    time: Float[np.ndarray, " n"], size: Float[np.ndarray, " n"], piece: Int[np.ndarray, " n"]
) -> Rate | None:
    """Return the rate at which a size grows; None from fewer than 5 points of pieces of 2 or more.

    Parameters
    ----------
    time
        (n,) ascending.
    size
        (n,) in any unit.
    piece
        (n,) ascending numbers; between two pieces the size may jump.
    """
    time, size, piece = _grouped(time, size, piece)
    first, second = np.triu_indices(len(time), 1)
    alike = piece[first] == piece[second]
    first, second = first[alike], second[alike]
    counts = np.bincount(piece) if len(piece) else np.zeros(0, dtype=np.int64)
    if counts[counts > 1].sum() < _FEWEST:
        return None
    slopes = np.sort((size[second] - size[first]) / (time[second] - time[first]))
    value = float(np.median(slopes))
    spread = (counts * (counts - 1) * (2 * counts + 5)).sum() / 18
    reach = _NORMAL * np.sqrt(spread * _inflation(size - value * time, piece))
    low, high = np.clip([(len(slopes) - reach) / 2 - 1, (len(slopes) + reach) / 2], 0, len(slopes) - 1)
    return Rate(value=value, low=_at(slopes, low), high=_at(slopes, high))


def _at(ordered: Float[np.ndarray, " n"], rank: float) -> float:
    return float(np.interp(rank, np.arange(len(ordered)), ordered))


def _grouped(
    time: Float[np.ndarray, " n"], size: Float[np.ndarray, " n"], piece: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Return medians over neighbours of one piece, at most about `_MOST` of them; pieces as 0, 1, ..."""
    if not len(time):
        return time, size, piece
    _, number = np.unique(piece, return_inverse=True)
    together = -(-len(time) // _MOST)
    if together == 1:
        return time, size, number
    begin = np.searchsorted(number, number)
    _, group = np.unique(
        np.stack([number, (np.arange(len(time)) - begin) // together]), axis=1, return_inverse=True
    )
    edges = np.flatnonzero(np.diff(group)) + 1
    middle = [np.array([np.median(part) for part in np.split(values, edges)]) for values in (time, size)]
    return middle[0], middle[1], number[np.concatenate([[0], edges])]


def _inflation(residual: Float[np.ndarray, " n"], piece: Int[np.ndarray, " n"]) -> float:
    """Return by how much errors that last enlarge the variance: (1 + ρ) / (1 - ρ), ρ that of neighbours."""
    left = residual.copy()
    for number in np.unique(piece):
        left[piece == number] -= np.median(residual[piece == number])
    width = 3 * 1.4826 * float(np.median(np.abs(left)))
    left = np.clip(left, -width, width)
    power = float((left**2).sum())
    if power == 0:
        return 1.0
    same = piece[1:] == piece[:-1]
    found = float((left[1:] * left[:-1])[same].sum()) / power
    # What a line takes away makes neighbours seem less alike (F. H. C. Marriott, J. A. Pope, 1954).
    correlation = np.clip(found + (1 + 4 * found) / len(left), 0, _LARGEST)
    return float((1 + correlation) / (1 - correlation))
