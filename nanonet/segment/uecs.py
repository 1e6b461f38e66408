"""Separate overlapping particles by ultimate erosion of convex sets (UECS).

Park et al., IEEE Trans. Pattern Anal. Mach. Intell. 35, 669 (2013), with the threshold and the limits of
ANTEMA, Gumbiowski et al., Nanoscale Adv. 5, 2318 (2023). Both erode by 3 x 3 pixels and less, and with that
more along the axes of the image than across them; here n erosions are one by a disc of radius n, read from
the distance to the outline, so that the result turns with the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.outline import convexity
from nanonet.records import InputError
from nanonet.segment.separation import Foreground, Separated, in_rows
from nanonet.segment.specks import disc_area, without_specks

_SMALLEST_NM = 0.5
_SMALLEST_PX = 3.0
"""Particles of 8 pixels are real ones."""

_HALF = 0.5
"""Pixels by which an outline lies beyond the centres of the outermost pixels, between which distances are."""

_STEPS = 16
"""After erosion by this part of the radius that is left, or by a pixel, convexity is looked at again."""

Box = tuple[slice, slice]


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """What is convex, and the pixels that a marker has at least."""

    threshold: float
    fewest_pixels: float

    def holds(self, mask: Bool[np.ndarray, "y x"]) -> bool:
        return convexity(mask) >= self.threshold


@dataclass(frozen=True, kw_only=True)
class _Rest:
    """What is left of particles after a number of erosions, and where; a marker once it is convex."""

    box: Box
    mask: Bool[np.ndarray, "h w"]
    erosions: int


def separate(
    foreground: Foreground,
    *,
    threshold: float = 0.95,
    smallest: float | None = None,
    fewest_pixels: int = 30,
    keep: bool = False,
) -> Separated:
    """Return the particles of a mask, told apart by their convexity.

    Pieces that are convex stay as they are. Others are eroded by a pixel at a time, and what they fall into,
    until it is convex: a marker. Each marker is dilated as many times as it was eroded, inside the outline;
    what several reach goes to the one in which it lies deepest. What is not convex then is dropped, as is a
    piece that leaves no marker: strong overlap hides what is needed to tell its particles. Particles that
    were eroded lose corners sharper than the disc of the erosions, and other roughness of the outline.

    The edge of the frame is no outline: particles are not eroded from there.

    Parameters
    ----------
    threshold
        Perimeter of the convex hull over perimeter (`nanonet.outline.convexity`) from which on a shape is
        convex.
    smallest
        Equivalent diameter below which specks and holes are taken out of the mask, and markers are dropped;
        in nm, or in pixels where there is no pixel size. None is 0.5 nm or 3 px. Larger holes stay.
    fewest_pixels
        Pixels of the mask below which a marker is dropped: its convexity says nothing.
    keep
        Keep what is not convex, and pieces without a marker, and flag them.

    Raises
    ------
    InputError
        If the threshold is not in 0..1, or a size is negative or not finite.
    """
    from scipy.ndimage import find_objects
    from skimage.measure import label

    if not 0.0 <= threshold <= 1.0:
        raise InputError(f"separate.threshold must be in 0..1, got {threshold}")
    if fewest_pixels < 0:
        raise InputError(f"separate.fewest_pixels must be 0 or more, got {fewest_pixels}")
    diameter = foreground.length("separate.smallest", smallest, nm=_SMALLEST_NM, px=_SMALLEST_PX)
    rule = _Rule(threshold=threshold, fewest_pixels=max(fewest_pixels, disc_area(diameter)))
    pieces = label(without_specks(foreground.mask, diameter), connectivity=1)
    parts = np.zeros(pieces.shape, dtype=np.int32)
    cut, regular = [False], [True]
    for number, box in enumerate(find_objects(pieces), start=1):
        around = _grown(box, 1, pieces.shape)
        own, convex = _particles(pieces[around] == number, rule)
        parts[around] += np.where(own > 0, own + (len(cut) - 1), 0)
        cut += [len(convex) > 1] * len(convex)
        regular += convex
    keeps = np.array(regular) | keep
    labels, first = in_rows(np.where(keeps[parts], parts, 0))
    old = parts.ravel()[first]
    return Separated(labels=labels, separated=np.array(cut)[old], flagged=~np.array(regular)[old])


def _particles(piece: Bool[np.ndarray, "y x"], rule: _Rule) -> tuple[Int[np.ndarray, "y x"], list[bool]]:
    """Return the particles of a piece, 1..n, and which of them are convex."""
    from scipy.ndimage import find_objects

    if rule.holds(piece):
        return piece.astype(np.int32), [True]
    markers = list(_markers(piece, rule))
    if not markers:
        return piece.astype(np.int32), [False]
    own = _regrown(markers, piece)
    boxes = find_objects(own, max_label=len(markers))
    return own, [rule.holds(own[box] == number) for number, box in enumerate(boxes, start=1)]


def _markers(piece: Bool[np.ndarray, "y x"], rule: _Rule) -> Iterator[_Rest]:
    """Yield what is left of the particles of a piece, which holds background, when it is convex."""
    from scipy.ndimage import distance_transform_edt

    distance = distance_transform_edt(piece)
    whole = slice(0, piece.shape[0]), slice(0, piece.shape[1])
    waiting = [_Rest(box=whole, mask=piece, erosions=0)]
    while waiting:
        for part in _eroded(waiting.pop(), distance, rule.fewest_pixels):
            if rule.holds(part.mask):
                yield part
            else:
                waiting.append(part)


def _eroded(rest: _Rest, distance: Float[np.ndarray, "y x"], fewest_pixels: float) -> list[_Rest]:
    """Return what is left when it has fallen apart, or so much was eroded that it may have become convex."""
    from scipy.ndimage import find_objects, label

    inside = np.where(rest.mask, distance[rest.box], 0.0)
    last = rest.erosions + max(1, int((inside.max() - rest.erosions) / _STEPS))
    for erosions in range(rest.erosions + 1, last + 1):
        parts, number = label(inside > erosions)
        if number != 1:
            break
    masks = ((box, parts[box] == i) for i, box in enumerate(find_objects(parts), start=1))
    return [
        _Rest(box=_inner(rest.box, box), mask=mask, erosions=erosions)
        for box, mask in masks
        if np.count_nonzero(mask) >= fewest_pixels
    ]


def _regrown(markers: list[_Rest], piece: Bool[np.ndarray, "y x"]) -> Int[np.ndarray, "y x"]:
    """Return the piece's pixels that markers reach by as many dilations as they had erosions."""
    from scipy.ndimage import distance_transform_edt

    own = np.zeros(piece.shape, dtype=np.int32)
    deepest = np.full(piece.shape, -1.0)
    for number, marker in enumerate(markers, start=1):
        box = _grown(marker.box, marker.erosions, piece.shape)
        outside = np.pad(~marker.mask, _margins(marker.box, box), constant_values=True)
        depth = marker.erosions + _HALF - distance_transform_edt(outside)
        reached = piece[box] & (depth >= 0.0) & (depth > deepest[box])
        own[box][reached] = number
        deepest[box][reached] = depth[reached]
    return own


def _grown(box: Box, by: int, shape: tuple[int, ...]) -> Box:
    """Return a box with a margin, within what there is."""
    y, x = (
        slice(max(side.start - by, 0), min(side.stop + by, size))
        for side, size in zip(box, shape, strict=True)
    )
    return y, x


def _inner(box: Box, inner: Box) -> Box:
    """Return where a box within a box lies."""
    y, x = (slice(a.start + b.start, a.start + b.stop) for a, b in zip(box, inner, strict=True))
    return y, x


def _margins(box: Box, around: Box) -> list[tuple[int, int]]:
    """Return how far a box around another reaches beyond it, before and after, along each axis."""
    return [(b.start - a.start, a.stop - b.stop) for a, b in zip(around, box, strict=True)]
