"""A particle of a field: a solid of a material, turned and put somewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from simulate.crystals import Crystal
from simulate.fields.chords import thickness_along, thickness_between
from simulate.structures.solids import Solid


@dataclass(frozen=True, kw_only=True)
class FieldParticle:
    """A particle, in the frame of the image: x to the right, y down, beam along +z.

    Parameters
    ----------
    rotation
        (3, 3) turns the frame of solid and crystal into the image's.
    position
        (y, x) [Å] of the solid's origin from the centre of the image's first pixel.
    height
        z [Å] of the solid's origin; particles with lower z are met by the beam first.
    bend
        By how much the lattice turns over a length [rad/Å]: (about x along y, about y along x).
    diameter
        That the shape was asked for [Å].
    shape
        Name of its family.
    amorphous
        Whether it has the atoms of its crystal in no order, and no reflections.
    """

    solid: Solid
    crystal: Crystal
    rotation: Float[np.ndarray, "3 3"]
    diameter: float
    shape: str
    position: tuple[float, float] = (0.0, 0.0)
    height: float = 0.0
    bend: tuple[float, float] = (0.0, 0.0)
    amorphous: bool = False


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A particle on the pixels of an image, whole: also what other particles or the frame hide.

    Parameters
    ----------
    corner
        Pixel (y, x) of the image that the first one of ``thickness`` is; it may lie outside.
    thickness
        (g, h, w) mean thickness [Å] of each grain over each pixel, float32.
    mask
        (h, w) pixels of which the particle covers half or more.
    area
        Pixels, counted by the share of each that it covers.
    """

    corner: tuple[int, int]
    thickness: Float[np.ndarray, "g h w"]
    mask: Bool[np.ndarray, "h w"]
    area: float

    @property
    def total(self) -> Float[np.ndarray, "h w"]:
        """Thickness of the particle [Å]."""
        return np.asarray(self.thickness.sum(axis=0))

    def clip(
        self, shape: tuple[int, int], margin: int = 0
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return which pixels of an image with a margin it covers, and which of its own those are.

        Parameters
        ----------
        shape
            (y, x) pixels, those of the margin included.
        margin
            Pixels on each side before the image proper begins.
        """
        corner = (self.corner[0] + margin, self.corner[1] + margin)
        return shared_pixels(corner, (self.mask.shape[0], self.mask.shape[1]), shape)


def shared_pixels(
    corner: tuple[int, int], size: tuple[int, int], shape: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the part of an image that a piece of a size covers with its first pixel at a corner.

    Returns
    -------
    image, own
        The same pixels, counted from the image's first one and from the piece's.
    """
    image, own = [], []
    for first, length, limit in zip(corner, size, shape, strict=True):
        low, high = max(first, 0), max(min(first + length, limit), max(first, 0))
        image.append(slice(low, high))
        own.append(slice(low - first, high - first))
    return (image[0], image[1]), (own[0], own[1])


LARGE = 100
"""Pixels of radius from which on the middle of each pixel stands for all of it."""


def outline(particle: FieldParticle, pixel_size: float, heights: Sequence[float] = ()) -> Outline:
    """Return a particle on the pixels of an image, each the mean over several points of it.

    Parameters
    ----------
    pixel_size
        Å.
    heights
        z in the image [Å], rising: slabs between them take the place of grains.
    """
    reach = particle.solid.reach / pixel_size
    # An odd number of points along an axis: half of an even one would make outlines too large.
    finer = 1 if reach > LARGE else 2 * int(np.clip(np.ceil(6 / reach), 1, 4)) + 1
    middle = np.array(particle.position) / pixel_size
    low, high = (np.floor(middle - reach).astype(int), np.ceil(middle + reach).astype(int) + 1)
    steps = (np.arange(finer) + 0.5) / finer - 0.5
    y, x = ((np.arange(a, b)[:, None] + steps).ravel() - m for a, b, m in zip(low, high, middle, strict=True))
    points = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)[:, ::-1] * pixel_size
    if len(heights):
        own = np.asarray(heights) - particle.height
        fine = thickness_between(particle.solid, particle.rotation, points, own.tolist())
    else:
        fine = thickness_along(particle.solid, particle.rotation, points)
    blocks = fine.reshape(len(fine), high[0] - low[0], finer, high[1] - low[1], finer)
    covered = (blocks.sum(axis=0) > 0).mean(axis=(1, 3))
    return _trimmed(low, blocks.mean(axis=(2, 4)).astype(np.float32), covered)


def _trimmed(
    corner: np.ndarray, thickness: Float[np.ndarray, "g h w"], covered: Float[np.ndarray, "h w"]
) -> Outline:
    """Return an outline without the empty pixels around it."""
    rows, columns = (np.flatnonzero(covered.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        rows = columns = np.zeros(1, dtype=int)
    own = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return Outline(
        corner=(int(corner[0] + rows[0]), int(corner[1] + columns[0])),
        thickness=np.ascontiguousarray(thickness[:, own[0], own[1]]),
        mask=covered[own] >= 0.5,
        area=float(covered.sum()),
    )
