"""Cut particles out of their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from nanonet.records import InputError, Micrograph, ParticleImages

_RIM = 5
"""Pixels around a particle's outline that are neither background nor a neighbour's: blur carries it there."""
_ENOUGH = 50
"""Pixels of background that a particle needs around it; with fewer, the frame's stand for them."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """One particle: ``image`` (y, x), 0 beside it, and the noise of a pixel of the background."""

    image: Float32[np.ndarray, "y x"]
    noise: float


def cut_out(
    micrograph: Micrograph, labels: Int[np.ndarray, "y x"], particle_ids: Sequence[int], side: int
) -> list[Cut]:
    """Return square cuts of particles, their centre of mass in the middle, without background.

    The background is the median of what lies around a particle and belongs to none; it is subtracted. Where
    neighbours lie, and beyond the frame, the cut is 0, the mean of the background. What is brighter or darker
    than the background keeps its sign.

    Parameters
    ----------
    labels
        Of the frame; 0 is background.
    particle_ids
        Labels to cut out.
    side
        Pixels of a side.
    """
    from scipy.ndimage import find_objects

    boxes = find_objects(labels)
    everywhere = _background(micrograph.image, labels == 0)
    return [
        _one(micrograph.image, labels, number, boxes[number - 1], side, everywhere) for number in particle_ids
    ]


def _one(
    image: Float[np.ndarray, "y x"],
    labels: Int[np.ndarray, "y x"],
    number: int,
    box: tuple[slice, slice],
    side: int,
    everywhere: tuple[float, float],
) -> Cut:
    from scipy.ndimage import binary_dilation

    own = np.argwhere(labels[box] == number) + [part.start for part in box]
    values = np.nan_to_num(image[own[:, 0], own[:, 1]] - everywhere[0])
    weight = np.abs(values) if np.abs(values).sum() > 0 else np.ones(len(own))
    centre = np.round((own * weight[:, None]).sum(axis=0) / weight.sum()).astype(int)
    window, place = _window(centre, side, image.shape)
    around, near = image[window], labels[window]
    others = binary_dilation((near > 0) & (near != number), iterations=_RIM) & (near != number)
    free = (near == 0) & ~binary_dilation(near > 0, iterations=_RIM) & np.isfinite(around)
    level, noise = _background(around, free) if np.count_nonzero(free) >= _ENOUGH else everywhere
    found = np.zeros((side, side), np.float32)
    found[place] = np.where(others | ~np.isfinite(around), 0.0, around - level)
    return Cut(image=found, noise=noise)


def _window(
    centre: Int[np.ndarray, " 2"], side: int, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the part of a frame around a pixel, and where it lies in a square whose pixel n // 2 that is."""
    first = centre - side // 2
    start, stop = np.maximum(first, 0), np.minimum(first + side, shape)
    inside = [slice(int(a), int(b)) for a, b in zip(start, stop, strict=True)]
    placed = [slice(int(a), int(b)) for a, b in zip(start - first, stop - first, strict=True)]
    return (inside[0], inside[1]), (placed[0], placed[1])


def _background(image: Float[np.ndarray, "y x"], free: Bool[np.ndarray, "y x"]) -> tuple[float, float]:
    """Return the median and the standard deviation of the background, the latter from its quartiles."""
    values = image[free & np.isfinite(image)]
    if not len(values):
        return 0.0, 1.0
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float(middle), float(high - low) / 1.349 or 1.0


def gather(cuts: Sequence[Cut], particle_ids: Sequence[int], pixel_size: float | None) -> ParticleImages:
    """Return the cuts of all images as one record.

    Raises
    ------
    InputError
        If there are none, or no pixel size is known.
    """
    if not cuts:
        raise InputError("no particle was found that is whole and by itself: nothing to group")
    if pixel_size is None:
        raise InputError("a population needs the pixel size of its images: give read.pixel_size=0.2 (Å)")
    return ParticleImages(
        images=np.stack([cut.image for cut in cuts]),
        particle_ids=np.asarray(particle_ids, dtype=np.int64),
        pixel_size=pixel_size,
        noise=np.array([cut.noise for cut in cuts]),
    )
