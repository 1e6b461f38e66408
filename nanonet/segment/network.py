"""Particles by a trained network, which looks at a frame at several scales; the best that it sees stays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float32

from nanonet.records import InputError, LabelMap, Micrograph, TrainedNetwork
from nanonet.segment.candidates import Candidates, candidates
from nanonet.segment.heights import separate as by_heights
from nanonet.segment.separation import Foreground, Separation
from nanonet.segment.settle import settle

_TASK = "particle_mask"
_COARSEST = 192
"""Longest side of the coarsest look [px]."""
_FINEST = (2.0, 1024)
"""By how much the finest look enlarges a frame at most, and its longest side [px] where it does."""
_SMALL = 24.0
"""Diameter [px] of particles for which a frame that was not enlarged is, where they are."""
_LARGEST = 2048
"""Longest side [px] of such a frame: what a look holds grows with its square."""
_CLOSER = 1.5
"""By how much the part with those is enlarged."""
_APRON = 32
"""What is read around them [px]."""
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
    looks at the frame at several scales, a factor of 2 apart; where the finest of them shows small particles
    it looks once more, closer. What it sees in all of them competes: of candidates that share pixels the one
    stays that is believed most.

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
        Particles that are believed less are dropped.
    flips
        Whether the frame is read in all four mirror images, which takes four times as long.

    Returns
    -------
    LabelMap
        ``confidence`` is the overlap with a true particle, intersection over union, that is to be expected of
        what looks like this, as measured on images that the network was not trained on.

    Raises
    ------
    InputError
        If the network is for another task or cannot tell what it is to be believed, a share is not in 0..1,
        or the length is negative.
    """
    if network.task != _TASK:
        raise InputError(f"{network.name} is a network for {network.task}, particles need one for {_TASK}")
    if network.confidence is None:
        raise InputError(f"{network.name} does not say how far to believe its particles: train it anew")
    for name, share in (("min_probability", min_probability), ("minimum_confidence", minimum_confidence)):
        if not 0 <= share <= 1:
            raise InputError(f"segment.{name} must be in 0..1, got {share}")
    height, width = micrograph.image.shape
    if min(height, width) < 2:
        raise InputError(f"{micrograph.name} has {(height, width)} pixels: too few for particles")
    frame = Foreground(mask=np.zeros((0, 0), dtype=bool), pixel_size=micrograph.pixel_size)
    least = frame.length("segment.smallest", smallest, nm=_SMALLEST_NM, px=_SMALLEST_PX)
    found = list(
        looks(
            micrograph.image,
            network,
            separate=separate,
            min_probability=min_probability,
            smallest=least,
            flips=flips,
            pixel_size=micrograph.pixel_size,
        )
    )
    return settle(
        found,
        [network.confidence.expected(look.features) for look in found],
        (height, width),
        minimum_confidence=minimum_confidence,
        least_area=np.pi / 4 * least**2,
    )


def looks(
    image: Float[np.ndarray, "y x"],
    network: TrainedNetwork,
    *,
    separate: Separation = by_heights,
    min_probability: float = 0.5,
    smallest: float = _SMALLEST_PX,
    flips: bool = False,
    pixel_size: float | None = None,
) -> Iterator[Candidates]:
    """Yield what may be particles at each scale, from the coarsest on; `segment` says what is given.

    ``smallest`` is in pixels of the image, ``pixel_size`` in Å.
    """
    values = _finite(image)

    def seen(maps: Float32[np.ndarray, "2 v u"], scale: float) -> Candidates:
        return candidates(
            maps[0],
            maps[1],
            separate=separate,
            min_probability=min_probability,
            smallest=smallest * scale,
            pixel_size=pixel_size,
            block=1 / scale,
        )

    scales = _scales(values.shape)
    for scale in scales:
        maps = _maps(values, scale, network=network, flips=flips)
        found = seen(maps, scale)
        yield found
    part = _around_small(found) if scales[-1] == 1 and max(values.shape) <= _LARGEST else None
    if part is not None:
        yield seen(_closer(values, maps, part, network=network, flips=flips), _CLOSER)


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


def _around_small(look: Candidates) -> tuple[slice, slice] | None:
    """Return the part of a look at a frame in its own pixels that has all small particles; None for none."""
    small = np.flatnonzero(look.features[:, 0] < np.log(_SMALL))
    if not len(small):
        return None
    sides = [[look.boxes[index][axis] for index in small] for axis in range(2)]
    first = [max(min(side.start for side in those) - _APRON, 0) // 2 * 2 for those in sides]
    stop = [max(side.stop for side in those) + _APRON for those in sides]
    return slice(first[0], stop[0]), slice(first[1], stop[1])


def _closer(
    image: Float32[np.ndarray, "y x"],
    maps: Float32[np.ndarray, "2 y x"],
    part: tuple[slice, slice],
    *,
    network: TrainedNetwork,
    flips: bool,
) -> Float32[np.ndarray, "2 v u"]:
    """Return probability and height at `_CLOSER`: read anew in a part, interpolated elsewhere."""
    found = np.stack([_resized(each, _CLOSER) for each in maps])
    read = _maps(image[part], _CLOSER, network=network, flips=flips)
    y, x = (round(side.start * _CLOSER) for side in part)
    into = found[:, y : y + read.shape[1], x : x + read.shape[2]]
    into[...] = read[:, : into.shape[1], : into.shape[2]]
    return found


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
