"""Put particles beside, against and over one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int

from simulate.fields.particle import FieldParticle, Outline, outline, shared_pixels
from simulate.ranges import Range, drawn

TRIES = 40
ACROSS = 24
"""Pixels of the raster that particles are placed on, over the diameter of the median one."""


@dataclass(frozen=True, kw_only=True)
class Crowding:
    """How particles lie to each other.

    Parameters
    ----------
    clustered
        [lowest, highest] share of the particles that touch another one or lie over it.
    overlap
        [lowest, highest] area that two of those share, over that of the smaller one; 0 is a touch.
    """

    clustered: Range = (0.0, 0.6)
    overlap: Range = (0.0, 0.4)


def place(
    particles: Sequence[FieldParticle],
    extent: tuple[float, float],
    crowding: Crowding,
    rng: np.random.Generator,
) -> tuple[FieldParticle, ...]:
    """Return particles with positions in and around an image; those that find no room are left out.

    They fill the image and a margin as wide as the largest of them, so that the frame cuts those at its
    border as it cuts a piece out of a larger film. The film's surface is z = 0; particles lie on the side
    that the beam comes from, and one that overlaps others lies on top of them.

    Parameters
    ----------
    extent
        (y, x) of the image [Å].
    """
    if not particles:
        return ()
    raster = float(np.median([particle.diameter for particle in particles])) / ACROSS
    margin = max(particle.solid.reach for particle in particles)
    table = _Table(extent, margin, raster)
    share = drawn(crowding.clustered, rng)
    placed = []
    # Large ones first: they find no room among many small ones.
    for particle in sorted(particles, key=lambda p: -p.diameter):
        shape = outline(particle, raster)
        partner = bool(table.masks) and rng.random() < share
        corner = (
            table.against(shape, drawn(crowding.overlap, rng), rng) if partner else table.aside(shape, rng)
        )
        if corner is None:
            continue
        depth = float(shape.total.max())
        base = table.put(shape, corner, depth)
        # The outline was made with the particle's origin on the first pixel.
        y, x = (corner - np.array(shape.corner) - table.origin) * raster
        placed.append(replace(particle, position=(float(y), float(x)), height=-(base + depth / 2)))
    return tuple(placed)


class _Table:
    """A raster that knows which of its points are taken, and how high."""

    def __init__(self, extent: tuple[float, float], margin: float, raster: float) -> None:
        y, x = (int(np.ceil((length + 2 * margin) / raster)) for length in extent)
        shape = self.shape = (y, x)
        self.origin = np.full(2, margin / raster)
        self.taken = np.zeros(shape, dtype=bool)
        self.heights = np.zeros(shape)
        self.masks: list[tuple[Int[np.ndarray, "2"], Bool[np.ndarray, "h w"]]] = []

    def put(self, shape: Outline, corner: Int[np.ndarray, "2"], depth: float) -> float:
        """Take the points of a particle; return how high [Å] what it lies on is."""
        image, own = _at(shape, corner).clip(self.shape)
        mask = shape.mask[own]
        base = float(self.heights[image][mask].max(initial=0.0))
        self.taken[image] |= mask
        self.heights[image][mask] = base + depth
        self.masks.append((corner, shape.mask))
        return base

    def aside(self, shape: Outline, rng: np.random.Generator) -> Int[np.ndarray, "2"] | None:
        """Return a random free place, a point of the raster away from all others."""
        from scipy.ndimage import binary_dilation

        wide = binary_dilation(np.pad(shape.mask, 1), iterations=1)
        middle = np.array(wide.shape) // 2
        for _ in range(TRIES):
            corner = (rng.random(2) * self.shape).astype(int) - middle
            y, x = (int(first) for first in corner)
            image, own = shared_pixels((y, x), (wide.shape[0], wide.shape[1]), self.shape)
            if not (self.taken[image] & wide[own]).any():
                return np.asarray(corner + 1)
        return None

    def against(self, shape: Outline, degree: float, rng: np.random.Generator) -> Int[np.ndarray, "2"] | None:
        """Return a place at which a degree of overlap is met with another particle, exceeded with none."""
        for _ in range(TRIES // 4):
            first, other = self.masks[int(rng.integers(len(self.masks)))]
            angle = rng.uniform(0, 2 * np.pi)
            corner = _approach(shape.mask, first, other, degree, angle)
            centre = corner + np.array(shape.mask.shape) / 2
            if (centre < 0).any() or (centre >= self.shape).any():
                continue
            image, own = _at(shape, corner).clip(self.shape)
            shared = int((self.taken[image] & shape.mask[own]).sum())
            smaller = min(int(shape.mask.sum()), int(other.sum()))
            if shared <= _shared(shape.mask, corner, other, first) + max(degree, 0.02) * smaller:
                return corner
        return None


def _at(shape: Outline, corner: Int[np.ndarray, "2"]) -> Outline:
    return replace(shape, corner=(int(corner[0]), int(corner[1])))


def _approach(
    mask: Bool[np.ndarray, "h w"],
    first: Int[np.ndarray, "2"],
    other: Bool[np.ndarray, "k l"],
    degree: float,
    angle: float,
) -> Int[np.ndarray, "2"]:
    """Return the last place on the way to another particle at which they share no more than a degree."""
    smaller = min(int(mask.sum()), int(other.sum()))
    middle = first + (np.array(other.shape) - mask.shape) / 2
    towards = np.array([np.sin(angle), np.cos(angle)])
    distances = np.arange(sum(mask.shape) + sum(other.shape), -1, -1) / 2
    best = np.rint(middle + distances[0] * towards).astype(int)
    for distance in distances:
        corner = np.rint(middle + distance * towards).astype(int)
        if _shared(mask, corner, other, first) > degree * smaller:
            break
        best = corner
    return np.asarray(best)


def _shared(
    mask: Bool[np.ndarray, "h w"],
    corner: Int[np.ndarray, "2"],
    other: Bool[np.ndarray, "k l"],
    first: Int[np.ndarray, "2"],
) -> int:
    """Return how many points two masks at two corners share."""
    low = np.maximum(corner, first)
    high = np.minimum(corner + mask.shape, first + other.shape)
    if (high <= low).any():
        return 0
    (top, left), (bottom, right) = low - corner, high - corner
    own = mask[top:bottom, left:right]
    (top, left), (bottom, right) = low - first, high - first
    return int((own & other[top:bottom, left:right]).sum())
