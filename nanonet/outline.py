"""The outline of a mask, and the lengths that are read from it.

The outline runs through the middles of the edges of the outermost pixels; the running mean over 3 points
takes out the staircase. Measured against what was drawn: perimeters of discs within 4 % at a diameter of
10 px and 2 % from 20 px, of rectangles turned by any angle within 4 % from a side of 20 px (Crofton's
formula with 4 directions scatters by 5 %, with the angle); Feret diameters within 1 px, diagonals of
rectangles within 1.6 px.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

_SMOOTHED_FROM = 12
"""Points of an outline from which the running mean is taken; below, it would eat the particle."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Lengths [px] and areas [px²] of an outline and of its convex hull."""

    perimeter: float
    hull_perimeter: float
    hull_area: float
    feret_min: float
    feret_max: float


def measure_outline(mask: Bool[np.ndarray, "y x"]) -> Shape:
    """Return the lengths of the outer outline of a mask, which holds at least one pixel.

    Where the mask is in several pieces their perimeters add up and the hull holds them all; holes have no
    part in it.
    """
    from scipy.spatial import ConvexHull

    parts = outlines(mask)
    points = np.concatenate(parts)
    hull = ConvexHull(points)
    corners = points[hull.vertices]
    return Shape(
        perimeter=sum(_closed_length(part) for part in parts),
        hull_perimeter=float(hull.area),  # scipy's "area" of a 2D hull is its length
        hull_area=float(hull.volume),
        feret_min=_least_width(corners),
        feret_max=float(np.linalg.norm(corners[:, None] - corners[None], axis=-1).max()),
    )


def convexity(mask: Bool[np.ndarray, "y x"]) -> float:
    """Return the perimeter of the convex hull over the perimeter, of a mask that holds at least one pixel.

    At most 1. Measured: of discs at least 0.99, of rectangles turned by any angle at least 0.98, from a few
    pixels on.
    """
    from scipy.spatial import ConvexHull

    parts = outlines(mask)
    return min(float(ConvexHull(np.concatenate(parts)).area) / sum(map(_closed_length, parts)), 1.0)


def outlines(mask: Bool[np.ndarray, "y x"]) -> list[Float[np.ndarray, "n 2"]]:
    """Return the closed outer outlines (y, x) of the 8-connected pieces of a mask, no point twice."""
    from skimage.measure import find_contours

    found = find_contours(np.pad(mask, 1).astype(np.float32), 0.5, fully_connected="high")
    return [_without_stairs(line[:-1] - 1.0) for line in found if _signed_area(line) > 0]


def _without_stairs(line: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    if len(line) < _SMOOTHED_FROM:
        return line
    return np.asarray((np.roll(line, 1, axis=0) + line + np.roll(line, -1, axis=0)) / 3.0)


def _signed_area(line: Float[np.ndarray, "n 2"]) -> float:
    """Return the area inside; positive where the line runs round high values, negative round a hole."""
    y, x = line.T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2.0)


def _closed_length(line: Float[np.ndarray, "n 2"]) -> float:
    return float(np.linalg.norm(line - np.roll(line, 1, axis=0), axis=1).sum())


def _least_width(corners: Float[np.ndarray, "n 2"]) -> float:
    """Return the least width of a convex polygon: one of the two lines then lies along an edge."""
    edges = np.roll(corners, -1, axis=0) - corners
    normals = np.stack([-edges[:, 1], edges[:, 0]]) / np.linalg.norm(edges, axis=1)
    return float(np.ptp(corners @ normals, axis=0).min())
