"""Once maps are known: which particles fit their class's badly, and whether another class's fits them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

FAR = 4.0
"""Deviations below the class's median from which on a particle fits badly."""
BETTER = 0.02
"""Correlation by which another map must be better: particles help to make their own."""
_LOWEST = 0.02
"""Quantile of a class's correlations that one who joins it must reach."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Classes after a look at the maps: ``classes`` (n,) from 0, -1 for none, and who changed."""

    classes: Int[np.ndarray, " n"]
    joined: Bool[np.ndarray, " n"]
    dropped: Bool[np.ndarray, " n"]


def suspects(classes: Int[np.ndarray, " n"], own: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Return who fits its class's map badly, or has no class.

    Parameters
    ----------
    classes
        From 0; -1 for none.
    own
        Correlation of each with the map of its class that it had no part in; NaN where not known.
    """
    found = classes < 0
    for number in range(int(classes.max(initial=-1)) + 1):
        inside = classes == number
        median = np.nanmedian(own[inside])
        spread = 1.4826 * np.nanmedian(np.abs(own[inside] - median))
        found |= inside & (own < median - FAR * max(float(spread), 1e-3))
    return np.asarray(found)


def moved(
    classes: Int[np.ndarray, " n"],
    own: Float[np.ndarray, " n"],
    looked_at: Int[np.ndarray, " m"],
    scores: Float[np.ndarray, "m k"],
) -> Moved:
    """Return the classes after those that were looked at went where they fit, or nowhere.

    One goes to another class if it fits the map there clearly better than its own, and as well as the members
    do. One that fits no map as well as members do is left out.

    Parameters
    ----------
    looked_at
        Of the n particles, those that were tried on all maps.
    scores
        Their correlations with the k maps.
    """
    lowest = np.array([np.nanquantile(own[classes == k], _LOWEST) for k in range(scores.shape[1])])
    found = classes.copy()
    for index, score in zip(looked_at, scores, strict=True):
        now = classes[index]
        best = int(np.argmax(np.where(score >= lowest, score, -np.inf)))
        fits = score[best] >= lowest[best]
        if fits and (now < 0 or (best != now and score[best] > max(own[index], score[now]) + BETTER)):
            found[index] = best
        elif not fits:
            found[index] = -1
    return Moved(
        classes=found,
        joined=(found != classes) & (found >= 0),
        dropped=(found < 0) & (classes >= 0),
    )
