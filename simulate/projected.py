"""A particle seen along the beam, from its atoms: its outline and thickness on the pixels of an image.

All lengths are set by the distance d that the particle's counted atoms would have to their neighbours in a
closest packing of the same density: 2.88 Å in gold, 3.83 Å between the cations of ceria.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

BATCH = 8192
"""Atoms that are spread over the pixels at a time."""
MIDDLE = 2000
"""Atoms about the middle of a particle that its density is taken from, where no crystal says it."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Pixels of an image: ``shape`` (y, x) of them, the first is pixel ``corner`` of the image."""

    corner: tuple[int, int]
    shape: tuple[int, int]
    pixel_size: float

    def coordinates(self, axis: int, *, edges: bool = False) -> Float[np.ndarray, " n"]:
        """Return where the centres (or the edges) of its pixels lie along y (0) or x (1) [Å]."""
        count = self.shape[axis] + (1 if edges else 0)
        return self.pixel_size * (self.corner[axis] + np.arange(count) - (0.5 if edges else 0.0))

    def grown(self, pixels: int) -> Window:
        """Return it with so many pixels more on each side."""
        corner = (self.corner[0] - pixels, self.corner[1] - pixels)
        shape = (self.shape[0] + 2 * pixels, self.shape[1] + 2 * pixels)
        return Window(corner=corner, shape=shape, pixel_size=self.pixel_size)


def window_around(
    points: Float[np.ndarray, "n 2"], reach: float, shape: tuple[int, int], pixel_size: float
) -> Window:
    """Return the pixels of an image, perhaps none, within ``reach`` [Å] of the bounds of points (y, x)."""
    low = np.floor((points.min(axis=0) - reach) / pixel_size).astype(int)
    high = np.ceil((points.max(axis=0) + reach) / pixel_size).astype(int) + 1
    low, high = np.clip(low, 0, shape), np.clip(high, 0, shape)
    size = np.maximum(high - low, 0)
    return Window(
        corner=(int(low[0]), int(low[1])), shape=(int(size[0]), int(size[1])), pixel_size=pixel_size
    )


def neighbour_distance(volume: float) -> float:
    """Return the distance of neighbours [Å] in a closest packing of atoms of a volume [Å³] each."""
    return float((np.sqrt(2) * volume) ** (1 / 3))


def projected_outline(
    points: Float[np.ndarray, "n 2"], distance: float, window: Window
) -> Bool[np.ndarray, "y x"]:
    """Return which pixels a particle covers.

    It covers the discs of radius d / 2 about its atoms, and the gaps between them in which a disc of that
    radius finds no room (a morphological closing): those between neighbouring columns, but no hole that a
    column of atoms, or more, is missing from.

    Parameters
    ----------
    points
        (y, x) of its atoms [Å] from the centre of the image's first pixel.
    distance
        d [Å].
    """
    from scipy.ndimage import distance_transform_edt
    from scipy.spatial import cKDTree

    margin = int(np.ceil(0.5 * distance / window.pixel_size)) + 2
    wide = window.grown(margin)
    y, x = np.meshgrid(wide.coordinates(0), wide.coordinates(1), indexing="ij")
    flat = np.column_stack([y.ravel(), x.ravel()])
    away, _ = cKDTree(points).query(flat, distance_upper_bound=1.001 * distance)
    near = (away <= distance).reshape(wide.shape)
    # Half a pixel more: the next pixel beyond an edge has its centre that far from it, on average.
    kept = distance_transform_edt(np.pad(near, 1)) * window.pixel_size > distance / 2 + window.pixel_size / 2
    inner = slice(margin + 1, -margin - 1)
    return np.asarray(kept[inner, inner])


def projected_sum(
    points: Float[np.ndarray, "n 2"],
    values: Float[np.ndarray, "k n"],
    distance: float,
    window: Window,
) -> Float[np.ndarray, "k y x"]:
    """Return the sum over the atoms of values, each spread by a Gaussian, per area [1/Å²].

    The Gaussian has the standard deviation d / 2, which leaves less than 1 % of the modulation by columns,
    and is integrated over each pixel: a sum over all pixels, times their area, is that of the values.
    """
    from scipy.special import ndtr

    total = np.zeros((len(values), *window.shape))
    edges = [window.coordinates(axis, edges=True)[:, None] for axis in (0, 1)]
    for first in range(0, len(points), BATCH):
        batch = slice(first, first + BATCH)
        y, x = (
            np.diff(ndtr((edges[axis] - points[batch, axis]) / (distance / 2)), axis=0) for axis in (0, 1)
        )
        for map_, value in zip(total, values[:, batch], strict=True):
            map_ += (y * value) @ x.T
    return total / window.pixel_size**2


def estimated_volume(positions: Float[np.ndarray, "n 3"]) -> float:
    """Return the mean volume of an atom [Å³] inside a particle of which no crystal is known.

    It is the mean Voronoi cell of the atoms around the middle whose cells are closed by neighbours; in a
    particle so thin that none is, that of a closest packing.
    """
    from scipy.spatial import ConvexHull, QhullError, Voronoi, cKDTree

    if len(positions) < 2:
        return 4.19 * 1.4**3  # Å³, one atom of a usual radius
    from_middle = np.linalg.norm(positions - positions.mean(axis=0), axis=1)
    positions = positions[np.argsort(from_middle, kind="stable")[:MIDDLE]]
    nearest = float(np.median(cKDTree(positions).query(positions, k=2)[0][:, 1]))
    volumes: list[float] = []
    try:
        cells = Voronoi(positions)
        for place, region in zip(positions, cells.point_region, strict=True):
            corners = cells.regions[region]
            if (
                -1 in corners
                or np.linalg.norm(cells.vertices[corners] - place, axis=1).max() > 1.25 * nearest
            ):
                continue
            volumes.append(ConvexHull(cells.vertices[corners]).volume)
            if len(volumes) == 60:
                break
    except QhullError:
        pass  # fewer atoms than a tessellation needs, or all in one plane
    return float(np.mean(volumes)) if volumes else nearest**3 / float(np.sqrt(2))
