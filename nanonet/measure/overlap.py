"""What overlap hides: particles that could not be told from their neighbours are in no statistics."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_MOST = 0.9
"""Share of the area that may be unresolved; beyond it those that are left say nothing of the others."""
_ROUNDS = 50
_CLOSE = 1e-6


def overlap_weights(
    diameter: Float[np.ndarray, " n"], weight: Float[np.ndarray, " n"], unresolved: float
) -> Float[np.ndarray, " n"]:
    """Return the inverse of each particle's chance to overlap no other.

    Where particles lie at random, one of diameter d is free of all others with the chance exp(-c m(d)), where
    m(d) is the mean of (d + d')² over the diameters d' of the others: their centres must stay out of a disc
    of radius (d + d') / 2 (the Boolean model; Stoyan, Kendall & Mecke, Stochastic Geometry, 1995, § 3). The
    larger a particle the more often it overlaps. How crowded the images are, c, is what makes as much of the
    area overlap as was found unresolved; the sizes d' are those of all particles, hence the rounds.

    Parameters
    ----------
    diameter
        Of the particles that were resolved, in any unit.
    weight
        How much each counts for other reasons.
    unresolved
        Share of the particles' area, 0..1, in what could not be told apart; at most 0.9 is taken.

    Returns
    -------
    weights
        From 1 on, to be multiplied with ``weight``.
    """
    share = min(unresolved, _MOST)
    chance = np.ones(len(diameter))
    if share <= 0 or not len(diameter):
        return chance
    for _ in range(_ROUNDS):
        before, all_of_them = chance, weight / chance
        first, second = (np.average(diameter**power, weights=all_of_them) for power in (1, 2))
        reach = diameter**2 + 2 * diameter * first + second
        chance = _chance(reach / reach.max(), weight * diameter**2, share)
        if np.abs(chance - before).max() < _CLOSE:
            break
    return 1.0 / chance


def _chance(
    reach: Float[np.ndarray, " n"], area: Float[np.ndarray, " n"], share: float
) -> Float[np.ndarray, " n"]:
    """Return exp(-c reach) for the c with which ``share`` of the area of all particles is not seen."""
    from scipy.optimize import brentq

    def excess(c: float) -> float:
        with np.errstate(over="ignore"):
            return 1.0 - float(area.sum() / (area * np.exp(c * reach)).sum()) - share

    highest = -np.log1p(-share) / float(reach.min())
    return np.asarray(np.exp(-brentq(excess, 0.0, highest * (1 + 1e-9)) * reach))
