"""Particles by a trained network, which looks at a frame at several scales and keeps the best look."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32

from nanonet.records import InputError, LabelMap, Micrograph, TrainedNetwork
from nanonet.segment.heights import separate as by_heights
from nanonet.segment.separation import Foreground, Separation
from nanonet.segment.specks import without_specks

_TASK = "particle_mask"
_COARSEST = 192
"""Longest side of the coarsest look [px]."""
_FINEST = (2.0, 1024)
"""By how much the finest look enlarges a frame at most, and its longest side [px] where it does."""
_READ_WELL = (20.0, 130.0)
"""Diameters [px] of particles that the network reads well: those of its training, or nearly so."""
_SHARPNESS = 4
_SMALLEST_PX = 4.0
_SMALLEST_NM = 0.5


def segment(
    micrograph: Micrograph,
    *,
    network: TrainedNetwork,
    separate: Separation = by_heights,
    min_probability: float = 0.5,
    smallest: float | None = None,
    minimum_confidence: float = 0.5,
    flips: bool = False,
) -> LabelMap:
    """Return the particles of a micrograph.

    The network reads particles of some tens of pixels best, and pictures come at any magnification. So it
    looks at the frame at several scales, a factor of 2 apart, and that look stands in which particles of
    such sizes fill the largest area, counted by how clearly they stand out.

    Parameters
    ----------
    micrograph
        Of any pixel size or none, dark on bright or bright on dark.
    network
        For the task "particle_mask".
    separate
        How touching particles are told apart, a variant of the config group ``separate``.
    min_probability
        Least probability of a pixel to be in a particle.
    smallest
        Equivalent diameter below which specks and holes are removed, in nm (px where the frame has no pixel
        size); None takes 0.5 nm or 4 px.
    minimum_confidence
        Particles whose pixels are less probable, in the mean, are dropped.
    flips
        Whether the frame is read in all four mirror images, which takes four times as long.

    Returns
    -------
    LabelMap
        ``confidence`` is the mean probability of a particle's pixels.

    Raises
    ------
    InputError
        If the network is for another task, a share is not in 0..1, or the length is negative.
    """
    if network.task != _TASK:
        raise InputError(f"{network.name} is a network for {network.task}, particles need one for {_TASK}")
    for name, share in (("min_probability", min_probability), ("minimum_confidence", minimum_confidence)):
        if not 0 <= share <= 1:
            raise InputError(f"segment.{name} must be in 0..1, got {share}")
    image = _finite(micrograph.image)
    if min(image.shape) < 2:
        raise InputError(f"{micrograph.name} has {image.shape} pixels: too few for particles")
    looks = (_look(image, scale, network, separate, min_probability, flips) for scale in _scales(image.shape))
    maps = max(looks, key=lambda look: look[0])[1]
    probability, height = (_as_large(values, image.shape) for values in maps)
    foreground = Foreground(
        mask=probability >= min_probability, pixel_size=micrograph.pixel_size, height=height
    )
    least = foreground.length("segment.smallest", smallest, nm=_SMALLEST_NM, px=_SMALLEST_PX)
    mask = without_specks(foreground.mask, least)
    parts = separate(Foreground(mask=mask, pixel_size=micrograph.pixel_size, smallest=least, height=height))
    number = len(parts.separated)
    area = np.bincount(parts.labels.ravel(), minlength=number + 1)[1:]
    inside = np.bincount(parts.labels.ravel(), probability.ravel(), minlength=number + 1)[1:]
    confidence = inside / np.maximum(area, 1)
    keep = (confidence >= minimum_confidence) & (area >= np.pi / 4 * least**2)
    rank = np.zeros(number + 1, dtype=np.int32)
    rank[1:][keep] = np.arange(1, int(keep.sum()) + 1)
    return LabelMap(labels=rank[parts.labels], separated=parts.separated[keep], confidence=confidence[keep])


def _finite(image: Float[np.ndarray, "y x"]) -> Float32[np.ndarray, "y x"]:
    good = np.isfinite(image)
    values = image.astype(np.float32)
    if good.all():
        return values
    return np.where(good, values, np.median(values[good]) if good.any() else np.float32(0))


def _scales(shape: tuple[int, ...]) -> list[float]:
    """Return the scales that a frame is looked at, from the coarsest on."""
    side = max(shape)
    enlarged, most = _FINEST
    finest = max(1.0, min(enlarged, most / side))
    number = 1 + max(0, int(np.ceil(np.log2(finest * side / _COARSEST))))
    return [finest / 2**step for step in reversed(range(number))]


def _look(
    image: Float32[np.ndarray, "y x"],
    scale: float,
    network: TrainedNetwork,
    separate: Separation,
    min_probability: float,
    flips: bool,
) -> tuple[float, Float32[np.ndarray, "2 v u"]]:
    """Return the area [px of the frame] of particles that are read well at a scale, and the maps."""
    from scipy.ndimage import maximum

    maps = _maps(image, scale, network=network, flips=flips)
    probability, height = maps
    mask = without_specks(probability >= min_probability, _SMALLEST_PX)
    labels = separate(Foreground(mask=mask, smallest=_SMALLEST_PX, height=height)).labels
    area = np.bincount(labels.ravel())[1:]
    diameter = np.sqrt(4 / np.pi * area)
    peak = np.asarray(maximum(height, labels, np.arange(1, len(area) + 1))) if len(area) else np.zeros(0)
    well = (diameter >= _READ_WELL[0]) & (diameter <= _READ_WELL[1])
    return float((area * peak**_SHARPNESS)[well].sum()) / scale**2, maps


def _maps(
    image: Float32[np.ndarray, "y x"], scale: float, *, network: TrainedNetwork, flips: bool
) -> Float32[np.ndarray, "2 v u"]:
    """Return probability and height at a scale."""
    from scipy.special import expit

    frame = _resized(image, scale)
    mirrors: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (0, 1)) if flips else ((),)
    total = np.zeros((2, *frame.shape), dtype=np.float32)
    for axes in mirrors:
        logits = network.read(np.flip(frame, axes)[None])
        total += np.flip(logits, tuple(axis + 1 for axis in axes))
    return np.asarray(expit(total / len(mirrors)), np.float32)


def _resized(image: Float32[np.ndarray, "y x"], scale: float) -> Float32[np.ndarray, "v u"]:
    """Return an image with its sides times a scale, smoothed first where it becomes smaller."""
    from skimage.transform import resize

    if scale == 1:
        return image
    shape = tuple(max(2, round(n * scale)) for n in image.shape)
    return np.asarray(resize(image, shape, order=1, mode="edge", anti_aliasing=scale < 1), np.float32)


def _as_large(values: Float32[np.ndarray, "v u"], shape: tuple[int, ...]) -> Float32[np.ndarray, "y x"]:
    from skimage.transform import resize

    if values.shape == shape:
        return values
    return np.asarray(resize(values, shape, order=1, mode="edge", anti_aliasing=False), np.float32)
