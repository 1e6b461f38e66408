"""Bodies bounded by planes, etched or not, and their HAADF images: drawn in real space, without a projector.

A body is where a gauge, which grows from its centre in proportion to the distance, is below 1. With planes of
unit normals n_i at distances d_i, g_i = x·n_i / d_i, sorted: g_1 + etching · (g_1 - g_2). Without etching
it is the polyhedron; with it faces are hollow, up to their edges, as those of etched rhombic dodecahedra.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from scipy.special import expit

from nanonet.records import ParticleImages

EDGE = 5.0
"""Width [Å] over which a surface is blurred (10 to 90 %)."""
_AT_ONCE = 20_000
"""Points whose planes are compared at a time: what a processor's cache holds."""
_STEP = 1.0  # of the sum along the beam [pixel]


@dataclass(frozen=True)
class Body:
    """Planes by their normals (k, 3) and distances (k,) [Å], and how deep the faces are etched."""

    normals: Float[np.ndarray, "k 3"]
    distances: Float[np.ndarray, " k"]
    etching: float = 0.0

    def density(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n"]:
        """Return 1 inside, 0 outside, blurred at the surface; points (x, y, z) in Å."""
        depth = (1.0 - self._gauge(points)) * np.float32(self.distances.min())
        return np.asarray(expit(depth * np.float32(4.4 / EDGE)))

    @property
    def reach(self) -> float:
        """Distance [Å] from the centre to the furthest point."""
        z = np.linspace(-1.0, 1.0, 2000, dtype=np.float32)
        azimuth = np.arange(len(z)) * np.float32(np.pi * (1 + np.sqrt(5)))
        flat = np.sqrt(1 - z**2)
        directions = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), z], axis=1)
        return float(1.0 / self._gauge(directions).min())

    def _gauge(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n"]:
        planes = np.float32(self.normals / self.distances[:, None])
        flat = points.reshape(-1, 3)
        gauge = np.empty(len(flat), dtype=np.float32)
        for start in range(0, len(flat), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            values = planes @ np.float32(flat[part]).T
            first = second = np.full(values.shape[1], -np.inf, dtype=np.float32)
            for value in values:
                second = np.maximum(second, np.minimum(first, value))
                first = np.maximum(first, value)
            gauge[part] = first + np.float32(self.etching) * (first - second)
        return gauge.reshape(points.shape[:-1])


def _family(*indices: int) -> np.ndarray:
    signed = {
        tuple(s * v for s, v in zip(signs, order, strict=True))
        for order in permutations(indices)
        for signs in product((-1, 1), repeat=3)
    }
    found = np.array(sorted(signed), dtype=float)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def cube(edge: float, truncation: float = 0.0, etching: float = 0.0) -> Body:
    """Return a cube with an edge in Å, its corners cut off by a share of the way to where the cuts meet."""
    faces, corners = _family(1, 0, 0), _family(1, 1, 1)
    cut = edge / 2 * np.sqrt(3.0) * (1.0 - truncation / 3.0)
    normals = np.concatenate([faces, corners]) if truncation else faces
    distances = (
        np.concatenate([np.full(6, edge / 2), np.full(8, cut)]) if truncation else np.full(6, edge / 2)
    )
    return Body(normals, distances, etching)


def star(size: float, etching: float = 0.6) -> Body:
    """Return an etched rhombic dodecahedron; ``size`` [Å] is the distance between opposite faces unetched."""
    return Body(_family(1, 1, 0), np.full(12, size / 2), etching)


def cuboid(*edges: float) -> Body:
    """Return a cuboid with three edges in Å along x, y and z."""
    normals = _family(1, 0, 0)
    return Body(normals, np.abs(normals) @ np.array(edges) / 2)


def pyramid(edge: float, height: float) -> Body:
    """Return a square pyramid of an edge and a height in Å, its apex up z."""
    slope = np.arctan2(height, edge / 2)
    sides = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]) * np.sin(slope)
    normals = np.concatenate([np.column_stack([sides, np.full(4, np.cos(slope))]), [[0.0, 0.0, -1.0]]])
    low = height / 4  # of the base below the centre of mass
    return Body(normals, np.append(np.full(4, (height - low) * np.cos(slope)), low))


def octahedron(width: float) -> Body:
    """Return an octahedron; ``width`` [Å] is the distance between opposite faces."""
    return Body(_family(1, 1, 1), np.full(8, width / 2))


def tetrahedron(size: float, cut: float = 2.0) -> Body:
    """Return a tetrahedron whose faces are ``size`` [Å] from its centre, its corners ``cut`` times that."""
    faces = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3.0)
    return Body(np.concatenate([faces, -faces]), np.repeat([size, cut * size], 4))


def icosahedron(width: float) -> Body:
    """Return an icosahedron; ``width`` [Å] is the distance between opposite faces."""
    turns = Rotation.create_group("I").as_rotvec()
    angle = np.linalg.norm(turns, axis=1)
    # The axes of its threefold turns, each there with both signs, are normal to its faces.
    threefold = np.abs(angle - 2 * np.pi / 3) < 1e-6
    return Body(turns[threefold] / angle[threefold, None], np.full(20, width / 2))


def decahedron(size: float, truncation: float = 1.17) -> Body:
    """Return a pentagonal bipyramid, faces ``size`` [Å] from its centre, its rim ``truncation`` as far."""
    azimuth = np.repeat(2 * np.pi * np.arange(5) / 5, 2)
    high = np.deg2rad(55.0) * np.tile([1.0, -1.0], 5)
    faces = np.stack([np.cos(high) * np.cos(azimuth), np.cos(high) * np.sin(azimuth), np.sin(high)], axis=1)
    rim = np.stack([np.cos(azimuth[::2]), np.sin(azimuth[::2]), np.zeros(5)], axis=1)
    return Body(np.concatenate([faces, rim]), np.repeat([size, truncation * size], [10, 5]))


def irregular(size: float, seed: int = 5) -> Body:
    """Return a body of 18 random planes, 0.6 to 1.1 times ``size`` [Å] from its centre, without symmetry."""
    rng = np.random.default_rng(seed)
    some = rng.standard_normal((9, 3))
    some /= np.linalg.norm(some, axis=1, keepdims=True)
    normals = np.concatenate([some, -some + 0.25 * rng.standard_normal(some.shape)])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Body(normals, size * rng.uniform(0.6, 1.1, len(normals)))


def twisted(edge: float) -> Body:
    """Return a body of D3 that differs from its mirror image: six of a rotated pair of trigonal pyramids."""
    high = np.deg2rad(50.0)
    angles = np.concatenate(
        [np.deg2rad([0.0, 120.0, 240.0]), -np.deg2rad([0.0, 120.0, 240.0]) + np.deg2rad(50.0)]
    )
    z = np.repeat([np.sin(high), -np.sin(high)], 3)
    normals = np.stack([np.cos(high) * np.cos(angles), np.cos(high) * np.sin(angles), z], axis=1)
    return Body(normals, np.full(6, edge / 2))


def sphere(diameter: float) -> Body:
    """Return a ball, as a polyhedron of 400 faces."""
    index = np.arange(400) + 0.5
    z = 1 - 2 * index / 400
    azimuth = np.pi * (1 + np.sqrt(5)) * index
    flat = np.sqrt(1 - z**2)
    return Body(np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), z], 1), np.full(400, diameter / 2))


def volume(body: Body, side: int, pixel_size: float) -> Float[np.ndarray, "z y x"]:
    """Return the density of a body on a grid (z, y, x) with its centre at voxel n // 2."""
    ticks = (np.arange(side) - side // 2) * pixel_size
    z, y, x = np.meshgrid(ticks, ticks, ticks, indexing="ij")
    return body.density(np.stack([x, y, z], axis=-1))


def image(
    body: Body,
    rotation: Float[np.ndarray, "3 3"],
    shift: Float[np.ndarray, " 2"],
    side: int,
    pixel_size: float,
) -> Float[np.ndarray, "y x"]:
    """Return the mass thickness [Å] of a body turned by ``rotation`` and shifted by (y, x) [Å]."""
    reach = body.reach + 2 * EDGE
    ticks = (np.arange(side) - side // 2) * pixel_size
    y, x = np.meshgrid(ticks - shift[0], ticks - shift[1], indexing="ij")
    near = x**2 + y**2 < reach**2
    z = np.arange(-reach, reach, _STEP * pixel_size)
    points = np.empty((len(z), np.count_nonzero(near), 3), dtype=np.float32)
    points[..., 0], points[..., 1], points[..., 2] = x[near], y[near], z[:, None]
    thickness = np.zeros((side, side))
    thickness[near] = body.density(points @ np.float32(rotation)).sum(0) * _STEP * pixel_size
    return thickness


@dataclass(frozen=True)
class Simulated:
    """Particles with their true poses; sizes are relative to the mean body."""

    particles: ParticleImages
    rotations: Float[np.ndarray, "n 3 3"]
    shifts: Float[np.ndarray, "n 2"]
    sizes: Float[np.ndarray, " n"]


def simulated(
    body: Body,
    count: int,
    rng: np.random.Generator,
    *,
    side: int = 96,
    pixel_size: float = 1.8,
    size_spread: float = 0.04,
    etching_spread: float = 0.0,
    counts: float = 0.4,
    background: float = 4.0,
    shift: float = 3.0,
) -> Simulated:
    """Return HAADF images of a body in random orientations, with Poisson noise.

    Parameters
    ----------
    size_spread, etching_spread
        Standard deviations: relative, and of the etching.
    counts
        Electrons a pixel and Å of thickness.
    background
        Electrons a pixel, whose mean is taken off.
    shift
        Largest, along each axis [pixel].
    """
    rotations = Rotation.random(count, rng=rng).as_matrix()
    shifts = rng.uniform(-shift, shift, (count, 2)) * pixel_size
    sizes = np.exp(size_spread * rng.standard_normal(count))
    images = np.empty((count, side, side), dtype=np.float32)
    for index in range(count):
        etching = max(0.0, body.etching + etching_spread * rng.standard_normal())
        one = replace(body, distances=body.distances * sizes[index], etching=etching)
        thickness = image(one, rotations[index], shifts[index], side, pixel_size)
        images[index] = rng.poisson(counts * thickness + background) - background
    noise = np.full(count, np.sqrt(background))
    particles = ParticleImages(
        images=images, particle_ids=np.arange(1, count + 1), pixel_size=pixel_size, noise=noise
    )
    return Simulated(particles, rotations, shifts, sizes)
