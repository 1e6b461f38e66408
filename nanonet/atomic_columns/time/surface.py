"""Where the surface of a particle is: its outline, and the layers of columns under it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

_FILLED = 0.5  # mean occupancy from which on a site belongs to the particle
_NEIGHBOUR = (
    1.3  # of the spacing: [110] of fcc has neighbours at 1.16 of it, the next of a square lie at 1.41
)
_REGULAR = 0.85  # of the spacing: circumradius; a lattice's own triangles have at most 0.71, a vacancy's 1


@dataclass(frozen=True, kw_only=True)
class Surface:
    """How far each site lies from the outline of the sites that are filled on average.

    Parameters
    ----------
    layer
        (s,) 1 on the outline, 2 for the neighbours of layer 1 within, and so on; 0 outside.
    distance
        (s,) from the outline [Å or px], positive inside, negative outside; NaN where there is no outline.
    neighbours
        (p, 2) pairs of neighbouring sites, filled or not, each pair once.
    """

    layer: Int[np.ndarray, " s"]
    distance: Float[np.ndarray, " s"]
    neighbours: Int[np.ndarray, "p 2"]


def find_surface(
    sites: Float[np.ndarray, "s 2"],
    occupancy: Float[np.ndarray, " s"],
    *,
    spacing: float,
    cut: Bool[np.ndarray, " s"] | None = None,
) -> Surface:
    """Return the layer of each site and its distance from the outline.

    The particle is made of the Delaunay triangles of filled sites that are as small as those of a lattice
    (an alpha shape), and of what they enclose: a vacancy inside is no surface, one at the rim is. Filled
    sites on its border, and those in no triangle, are the first layer.

    Parameters
    ----------
    sites
        (s, 2) as (y, x) [Å or px].
    occupancy
        (s,) mean over the movie.
    spacing
        Distance between neighbours [Å or px].
    cut
        (s,) sites at the border of the frame, where the particle ends for the microscopist only; None for
        none.
    """
    filled = np.flatnonzero(occupancy >= _FILLED)
    edges, lone = _outline(sites[filled], spacing)
    ends, lone = filled[edges], filled[lone]
    if cut is not None:
        ends, lone = ends[~cut[ends].all(axis=1)], lone[~cut[lone]]
    neighbours = _pairs(sites, _NEIGHBOUR * spacing)
    first = np.unique(np.concatenate([ends.ravel(), lone]))
    segments = np.concatenate([ends, np.stack([lone, lone], axis=1)])
    sign = np.where(occupancy >= _FILLED, 1.0, -1.0)
    return Surface(
        layer=_layers(first, neighbours, occupancy >= _FILLED),
        distance=sign * _distance(sites, sites[segments]),
        neighbours=neighbours,
    )


def _pairs(sites: Float[np.ndarray, "s 2"], reach: float) -> Int[np.ndarray, "p 2"]:
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(sites).query_pairs(reach, output_type="ndarray"), dtype=int).reshape(-1, 2)


def _outline(
    points: Float[np.ndarray, "n 2"], spacing: float
) -> tuple[Int[np.ndarray, "e 2"], Int[np.ndarray, " m"]]:
    """Return the border of the particle as pairs of points, and the points that no triangle holds."""
    from scipy.spatial import Delaunay, QhullError

    everyone = np.arange(len(points))
    nothing = np.empty((0, 2), dtype=int)
    if len(points) < 3:
        return nothing, everyone
    try:
        mesh = Delaunay(points)
    except QhullError:  # all in one line
        return nothing, everyone
    kept = ~_outside(mesh.neighbors, _circumradius(points[mesh.simplices]) > _REGULAR * spacing)
    beyond = np.where(mesh.neighbors < 0, True, ~kept[mesh.neighbors])
    triangle, corner = np.nonzero(kept[:, None] & beyond)
    corners = mesh.simplices[triangle]
    rows = np.arange(len(triangle))
    border = np.stack([corners[rows, (corner + 1) % 3], corners[rows, (corner + 2) % 3]], axis=1)
    return border, np.setdiff1d(everyone, mesh.simplices[kept])


def _circumradius(corners: Float[np.ndarray, "n 3 2"]) -> Float[np.ndarray, " n"]:
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    (ax, ay), (bx, by) = (corners[:, i].T - corners[:, 0].T for i in (1, 2))
    area = np.abs(ax * by - ay * bx) / 2
    return np.asarray(sides.prod(axis=1) / np.maximum(4 * area, 1e-12))


def _outside(neighbours: Int[np.ndarray, "n 3"], large: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Return which large triangles are reached from outside of the mesh through large ones."""
    outside = large & (neighbours < 0).any(axis=1)
    while True:
        reached = large & ~outside & (outside[neighbours] & (neighbours >= 0)).any(axis=1)
        if not reached.any():
            return np.asarray(outside)
        outside |= reached


def _layers(
    first: Int[np.ndarray, " n"], neighbours: Int[np.ndarray, "p 2"], filled: Bool[np.ndarray, " s"]
) -> Int[np.ndarray, " s"]:
    """Return how many steps between filled neighbours each filled site is from the first ones, from 1."""
    layer = np.zeros(len(filled), dtype=int)
    layer[first] = 1
    both = neighbours[filled[neighbours].all(axis=1)]
    ways = np.concatenate([both, both[:, ::-1]])
    number = 1
    while True:
        start, end = ways.T
        reached = end[(layer[start] == number) & (layer[end] == 0)]
        if not len(reached):
            return layer
        number += 1
        layer[reached] = number


def _distance(
    points: Float[np.ndarray, "s 2"], segments: Float[np.ndarray, "e 2 2"]
) -> Float[np.ndarray, " s"]:
    """Return the distance of each point from the nearest segment, NaN where there is none."""
    if not len(segments):
        return np.full(len(points), np.nan)
    start, along = segments[:, 0], segments[:, 1] - segments[:, 0]
    length2 = np.maximum((along**2).sum(1), 1e-12)
    from_start = points[:, None] - start
    part = np.clip((from_start * along).sum(2) / length2, 0.0, 1.0)
    return np.asarray(np.linalg.norm(from_start - part[..., None] * along, axis=2).min(1))
