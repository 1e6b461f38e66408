"""Drift between frames, read from the particles themselves: the shift that most of them share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

_REACH = 4.0
"""Largest shift that is looked for between two frames, in units of the particles' own largest step."""

_FEWEST = 3
"""Particles that must agree before their common shift is taken for drift rather than for their motion."""


def drift(positions: Sequence[Float[np.ndarray, "n 2"]], *, max_step: float) -> Float[np.ndarray, "t 2"]:
    """Return the drift of each frame since the first one.

    Parameters
    ----------
    positions
        Particle positions (y, x) of each frame; frames may be empty.
    max_step
        How far a particle may move by itself between two frames, in the unit of ``positions``.

    Returns
    -------
    numpy.ndarray
        (t, 2) shift (y, x) of each frame. A frame without particles keeps the drift of the one before.
    """
    total = np.zeros((len(positions), 2))
    last = None
    for index, points in enumerate(positions):
        total[index] = total[index - 1] if index else 0.0
        if len(points):
            if last is not None:
                total[index] += common_shift(last, points, max_step=max_step)
            last = points
    return total


def common_shift(
    before: Float[np.ndarray, "n 2"], after: Float[np.ndarray, "m 2"], *, max_step: float
) -> Float[np.ndarray, "2"]:
    """Return the shift that most particles share, or zero where fewer than 3 or than half of them agree.

    Every pair of a particle before and one after votes for its own shift; the votes for the drift lie close
    together, those of wrong pairs are scattered. Of shifts that are nearly as frequent the shortest is taken.
    """
    from scipy.spatial import cKDTree

    pairs = cKDTree(before).query_ball_point(after, _REACH * max_step)
    shifts = np.array([after[j] - before[i] for j, found in enumerate(pairs) for i in found]).reshape(-1, 2)
    fewer = min(len(before), len(after))
    needed = max(_FEWEST, 0.5 * fewer)
    if fewer < _FEWEST or len(shifts) < needed:
        return np.zeros(2)
    tree = cKDTree(shifts)
    votes = tree.query_ball_point(shifts, 0.5 * max_step, return_length=True)
    if votes.max() < needed:
        return np.zeros(2)
    frequent = np.flatnonzero(votes >= 0.8 * votes.max())
    chosen = shifts[frequent[np.argmin(np.linalg.norm(shifts[frequent], axis=1))]]
    agreeing = tree.query_ball_point(chosen, 0.5 * max_step)
    return np.asarray(np.median(shifts[agreeing], axis=0))
