"""How thick a solid is along the beam: exact where it is made of convex pieces known by their surfaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from simulate.structures.outliers import Cut, Moved, Pair
from simulate.structures.solids import Capsule, Ellipsoid, Grain, Polyhedron, Solid

SAMPLES = 48
"""Points along the beam in a solid that is known by `Solid.inside` only: an error of 1 %."""

Rays = tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "3"]]
"""Points on the rays, one a ray, and their common direction, in the frame of the solid."""
Interval = tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]
"""Where rays enter and leave, as distances along their direction; they miss where enter >= leave."""


def thickness_along(
    solid: Solid,
    rotation: Float[np.ndarray, "3 3"],
    points: Float[np.ndarray, "n 2"],
    grains: Sequence[Grain] | None = None,
) -> Float[np.ndarray, "g n"]:
    """Return how much of each grain of a solid the beam crosses.

    Parameters
    ----------
    rotation
        Turns the solid's frame into the beam's; the beam travels along +z.
    points
        (n, 2) (x, y) [Å] from the solid's origin.
    grains
        Parts between planes through the origin; the solid's own where None, the whole where it has none.

    Returns
    -------
    thickness
        (g, n) Å; a sum over g is that of the solid.
    """
    parts = tuple(solid.grains if grains is None else grains) or (Grain(),)
    rays = _rays(rotation, points)
    surfaces = _surfaces(solid, rays)
    if surfaces is None:
        return _sampled(solid, rays, parts)
    found = []
    for grain in parts:
        own = _between(grain.normals, np.zeros(len(grain.normals)), rays)
        crossed = (_within(surface, own) for surface in surfaces)
        found.append(sum(np.maximum(leave - enter, 0.0) for enter, leave in crossed))
    return np.stack(found)


def thickness_between(
    solid: Solid,
    rotation: Float[np.ndarray, "3 3"],
    points: Float[np.ndarray, "n 2"],
    heights: Sequence[float],
) -> Float[np.ndarray, "s n"]:
    """Return how much of a solid the beam crosses in slabs across it; see `thickness_along`.

    Parameters
    ----------
    heights
        s + 1 values of z from the solid's origin [Å], rising; what lies beyond counts to the outermost slabs.

    Returns
    -------
    thickness
        (s, n) Å; a sum over s is that of the solid.
    """
    edges = np.array([-np.inf, *heights[1:-1], np.inf], dtype=np.float32)
    rays = _rays(rotation, points)
    surfaces = _surfaces(solid, rays)
    if surfaces is None:
        return _sampled_between(solid, rays, edges)
    thickness = np.zeros((len(edges) - 1, len(points)), dtype=np.float32)
    for enter, leave in surfaces:
        hit = np.flatnonzero(enter < leave)
        cuts = np.clip(edges[:, None], enter[hit], leave[hit])
        thickness[:, hit] += np.diff(cuts, axis=0)
    return thickness


def _rays(rotation: Float[np.ndarray, "3 3"], points: Float[np.ndarray, "n 2"]) -> Rays:
    """Return the rays through points of an image in the solid's frame, from the height of its origin."""
    start = np.column_stack([points, np.zeros(len(points))]) @ rotation
    return start.astype(np.float32), np.asarray(rotation[2], dtype=np.float32)


def _surfaces(solid: Solid, rays: Rays) -> list[Interval] | None:
    """Return where rays cross each convex piece of a solid, None where no formula is known."""
    if isinstance(solid, Cut):
        plane = _between(solid.normal[None], np.array([solid.distance]), rays)
        whole = _surfaces(solid.whole, rays)
        return None if whole is None else [_within(surface, plane) for surface in whole]
    if isinstance(solid, Moved):
        start = (rays[0] - solid.offset.astype(np.float32), rays[1])
        return _surfaces(solid.body, _turned(start, solid.rotation.T))
    parts: Sequence[Solid] = (solid.first, solid.second) if isinstance(solid, Pair) else solid.pieces
    if not parts:
        surface = _surface(solid, rays)
        return None if surface is None else [surface]
    found: list[Interval] = []
    for part in parts:
        surfaces = _surfaces(part, rays)
        if surfaces is None:
            return None
        found += surfaces
    return found


def _surface(solid: Solid, rays: Rays) -> Interval | None:
    """Return where rays cross a convex solid, None where no formula is known."""
    if isinstance(solid, Polyhedron):
        return _between(solid.normals, solid.distances, rays)
    if isinstance(solid, Ellipsoid):
        return _ball(_turned(rays, (solid.axes / np.array(solid.semiaxes)[:, None])))
    if isinstance(solid, Capsule):
        return _capsule(solid, rays)
    return None


def _turned(rays: Rays, matrix: Float[np.ndarray, "3 3"]) -> Rays:
    return rays[0] @ matrix.T.astype(np.float32), matrix.astype(np.float32) @ rays[1]


def _between(normals: Float[np.ndarray, "k 3"], distances: Float[np.ndarray, " k"], rays: Rays) -> Interval:
    """Return the part of each ray on the inner side of all planes (Cyrus & Beck's clipping)."""
    start, along = rays
    enter, leave = np.full(len(start), -np.inf, np.float32), np.full(len(start), np.inf, np.float32)
    for normal, distance in zip(normals.astype(np.float32), distances, strict=True):
        slope, gap = float(normal @ along), np.float32(distance) - start @ normal
        if abs(slope) < 1e-6:
            leave = np.where(gap < 0, -np.inf, leave)
        elif slope > 0:
            np.minimum(leave, gap / slope, out=leave)
        else:
            np.maximum(enter, gap / slope, out=enter)
    return enter, leave


def _within(first: Interval, second: Interval) -> Interval:
    """Return what two intervals share; a miss stays a miss."""
    enter, leave = np.maximum(first[0], second[0]), np.minimum(first[1], second[1])
    missed = ~(enter < leave)
    return np.where(missed, 0.0, enter), np.where(missed, 0.0, leave)


def _ball(rays: Rays, radius: float = 1.0) -> Interval:
    """Return where rays cross a ball around the origin; their direction need not have unit length."""
    start, along = rays
    square = float(along @ along)
    middle = -(start @ along) / square
    left = np.float32(radius**2) - np.einsum("ij,ij->i", start, start) + np.float32(square) * middle**2
    half = np.sqrt(np.maximum(left, 0.0) / np.float32(square))
    return middle - half, middle + half


def _capsule(solid: Capsule, rays: Rays) -> Interval:
    """Return where rays cross a rod: its cylinder between two planes, and the balls at its ends."""
    start, along = rays
    axis = solid.axis.astype(np.float32)
    half = solid.length / 2 - (solid.radius if solid.round_ends else 0.0)
    flat = (start - np.outer(start @ axis, axis), along - (along @ axis) * axis)
    if float(flat[1] @ flat[1]) > 1e-12:
        tube = _ball(flat, solid.radius)
    else:
        inside = (flat[0] ** 2).sum(axis=1) <= solid.radius**2
        tube = (np.where(inside, -np.inf, 0.0), np.where(inside, np.inf, 0.0))
    enter, leave = _within(tube, _between(np.array([axis, -axis]), np.array([half, half]), rays))
    if not solid.round_ends:
        return enter, leave
    # A capsule is convex: it begins where the first of its parts does and ends where the last one does.
    parts = [(enter, leave), *(_ball((start - s * half * axis, along), solid.radius) for s in (-1, 1))]
    hit = [~(part[0] < part[1]) for part in parts]
    first = np.min([np.where(miss, np.inf, part[0]) for miss, part in zip(hit, parts, strict=True)], axis=0)
    last = np.max([np.where(miss, -np.inf, part[1]) for miss, part in zip(hit, parts, strict=True)], axis=0)
    return first, last


def _sampled(solid: Solid, rays: Rays, parts: Sequence[Grain]) -> Float[np.ndarray, "g n"]:
    """Return the thickness of each grain by counting points along the rays."""
    points, _, step = _samples(solid, rays)
    inside = solid.inside(points)
    thickness = np.zeros((len(parts), len(step)))
    for thick, grain in zip(thickness, parts, strict=True):
        held = inside.copy()
        held[inside] = grain.holds(points[inside])
        thick[:] = held.reshape(len(step), SAMPLES).sum(axis=1) * step
    return thickness


def _sampled_between(solid: Solid, rays: Rays, edges: Float[np.ndarray, " e"]) -> Float[np.ndarray, "s n"]:
    """Return the thickness between heights by counting points along the rays."""
    points, depths, step = _samples(solid, rays)
    inside = solid.inside(points).reshape(depths.shape)
    slabs = np.searchsorted(edges[1:-1], depths)
    return np.stack([((slabs == i) & inside).sum(axis=1) * step for i in range(len(edges) - 1)])


def _samples(
    solid: Solid, rays: Rays
) -> tuple[Float[np.ndarray, "m 3"], Float[np.ndarray, "n k"], Float[np.ndarray, " n"]]:
    """Return points along rays over their chords of the sphere that holds a solid.

    Returns
    -------
    points, depths, step
        (n · k, 3); (n, k) where each lies along its ray; (n,) the distance between two [Å].
    """
    start, along = rays
    enter, leave = _ball(rays, solid.reach)
    steps = (np.arange(SAMPLES, dtype=np.float32) + 0.5) / SAMPLES
    depths = enter[:, None] + (leave - enter)[:, None] * steps
    points = (start[:, None] + depths[:, :, None] * along).reshape(-1, 3)
    return points, depths, (leave - enter) / SAMPLES


def silhouette(thickness: Float[np.ndarray, "g n"]) -> Bool[np.ndarray, " n"]:
    """Return which rays meet the solid."""
    return np.asarray(thickness.sum(axis=0) > 0)
