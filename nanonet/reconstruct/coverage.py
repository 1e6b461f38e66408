"""How evenly the directions of view cover what a point group leaves different."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanonet.reconstruct.point_group import operations
from nanonet.reconstruct.rotation_grid import folded, view_directions

_STEP = np.deg2rad(2.0)
_UNIT = 400
"""Directions that an asymmetric unit is shown by."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Directions of view and how they cover the asymmetric unit.

    Parameters
    ----------
    directions
        (n, 3) of the beam in the particle's axes, each turned into one asymmetric unit; a beam and the
        opposite one count as the same.
    unit
        (m, 3) evenly spread over that unit.
    largest_gap
        Angle [rad] from any direction to the nearest view, or what symmetry and the opposite beam make of it.
    typical_gap
        Mean of that angle over all directions [rad].
    even_gap
        What that mean would be for as many views at random [rad].
    """

    directions: Float[np.ndarray, "n 3"]
    unit: Float[np.ndarray, "m 3"]
    largest_gap: float
    typical_gap: float
    even_gap: float


def coverage(rotations: Float[np.ndarray, "n 3 3"], point_group: str) -> Coverage:
    """Return how evenly views cover the asymmetric unit.

    A view from behind is the mirror image of one from the front: it tells as much.
    """
    group = operations(point_group)
    seen = np.asarray(rotations)[:, 2]
    grid = view_directions(_STEP, group)
    every = np.einsum("gij,nj->gni", group, seen).reshape(-1, 3)
    nearest = np.concatenate(
        [np.abs(some @ every.T).max(1) for some in np.array_split(grid, len(grid) // 200 + 1)]
    )
    gap = np.arccos(np.clip(nearest, -1.0, 1.0))
    # Of m points at random on a sphere of 4 π the nearest is at 1 / (2 √(m / 4 π)) on average.
    both = np.concatenate([group, -group])
    return Coverage(
        directions=folded(seen, both),
        unit=view_directions(np.sqrt(4 * np.pi / (len(both) * _UNIT)), both),
        largest_gap=float(gap.max()),
        typical_gap=float(gap.mean()),
        even_gap=float(0.5 / np.sqrt(2 * len(every) / (4 * np.pi))),
    )
