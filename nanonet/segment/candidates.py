"""What may be particles in one look at a frame, and what is seen of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from nanonet.heights import heights
from nanonet.segment.separation import Foreground, Separation
from nanonet.segment.specks import without_specks

FEATURES = ("log_diameter_px", "peak", "clarity", "mismatch", "agreement", "border", "solidity")
_SMALLEST = 4.0
"""Diameter [px of the look]; what is smaller shows in a finer look."""

Box = tuple[slice, slice]


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Instances of a look at a frame.

    Parameters
    ----------
    labels
        (v, u) candidate i + 1 on its pixels, 0 beside them.
    excess
        (v, u) probability of a pixel to be in a particle less the least one that counts, 0 or more just where
        there is a label.
    boxes
        n parts of the look, each with a candidate.
    separated
        (n,) True where it was cut from a neighbour.
    flagged
        (n,) True where it breaks the separation's rule of what a single particle is, and was kept anyway.
    features
        (n, 7) what is seen of each, as named by `FEATURES`: logarithm of its diameter in pixels of the look,
        largest height, mean of abs(2 p - 1) over its pixels, mean distance and correlation of the predicted
        heights and those that its own outline has, whether it touches the border of the look, and its
        area over that of its convex hull.
    """

    labels: Int[np.ndarray, "v u"]
    excess: Float32[np.ndarray, "v u"]
    boxes: tuple[Box, ...]
    separated: Bool[np.ndarray, " n"]
    flagged: Bool[np.ndarray, " n"]
    features: Float[np.ndarray, "n 7"]

    def __len__(self) -> int:
        return len(self.boxes)


def candidates(
    probability: Float32[np.ndarray, "v u"],
    height: Float32[np.ndarray, "v u"],
    *,
    separate: Separation,
    min_probability: float,
    smallest: float,
    pixel_size: float | None = None,
    block: float = 1.0,
) -> Candidates:
    """Return what may be particles by the maps of a look.

    Parameters
    ----------
    probability, height
        Of each pixel: to be in a particle, and how deep inside.
    separate
        How touching particles are told apart.
    min_probability
        Least probability of a pixel to be in a particle.
    smallest
        Diameter [px of the look] below which specks and holes are removed.
    pixel_size, block
        Of the frame [Å], where known, and how many of its pixels, a side, one of the look stands for: lengths
        that the separation is given are of the frame.
    """
    from scipy.ndimage import find_objects

    mask = without_specks(probability >= min_probability, smallest)
    parts = separate(
        Foreground(
            mask=mask,
            pixel_size=pixel_size,
            block=block,
            smallest=max(smallest, _SMALLEST),
            height=height,
        )
    )
    found = find_objects(parts.labels, max_label=len(parts.separated))
    area = np.bincount(parts.labels.ravel(), minlength=len(found) + 1)[1:]
    large = area >= np.pi / 4 * _SMALLEST**2
    rank = np.zeros(len(found) + 1, dtype=np.int32)
    rank[1:][large] = np.arange(1, int(large.sum()) + 1)
    labels = rank[parts.labels]
    boxes = tuple(box for box, enough in zip(found, large, strict=True) if enough)
    return Candidates(
        labels=labels,
        excess=_excess(probability - np.float32(min_probability), labels > 0),
        boxes=boxes,
        separated=parts.separated[large],
        flagged=parts.flagged[large],
        features=_features(labels, boxes, probability, height),
    )


def _excess(above: Float32[np.ndarray, "v u"], inside: Bool[np.ndarray, "v u"]) -> Float32[np.ndarray, "v u"]:
    """Return what is above the least probability, on the right side where specks and holes were removed."""
    low = np.float32(-1e-3)
    return np.asarray(np.where(inside, np.maximum(above, 0), np.minimum(above, low)), np.float32)


def _features(
    labels: Int[np.ndarray, "v u"],
    boxes: tuple[Box, ...],
    probability: Float32[np.ndarray, "v u"],
    height: Float32[np.ndarray, "v u"],
) -> Float[np.ndarray, "n 7"]:
    inside = np.flatnonzero(labels)
    of, number = labels.ravel()[inside] - 1, len(boxes)
    predicted = height.ravel()[inside].astype(float)
    own = heights(labels).ravel()[inside].astype(float)
    area = np.bincount(of, minlength=number)

    def mean(values: Float[np.ndarray, " p"]) -> Float[np.ndarray, " n"]:
        return np.asarray(np.bincount(of, values, minlength=number) / area)

    peak = np.zeros(number)
    np.maximum.at(peak, of, predicted)
    spread = (mean(predicted**2) - mean(predicted) ** 2) * (mean(own**2) - mean(own) ** 2)
    common = mean(predicted * own) - mean(predicted) * mean(own)
    ends = [(box[0].start, box[1].start, box[0].stop, box[1].stop) for box in boxes]
    edge = [min(y, x) == 0 or v == labels.shape[0] or u == labels.shape[1] for y, x, v, u in ends]
    solidity = [_solidity(labels[box] == index) for index, box in enumerate(boxes, start=1)]
    columns = (
        np.log(np.sqrt(4 / np.pi * area)),
        peak,
        mean(np.abs(2.0 * probability.ravel()[inside] - 1.0)),
        mean(np.abs(predicted - own)),
        common / np.sqrt(np.maximum(spread, 1e-12)),
        np.array(edge, dtype=float),
        np.array(solidity),
    )
    return np.stack(columns, axis=1).reshape(number, len(FEATURES))


def _solidity(mask: Bool[np.ndarray, "h w"]) -> float:
    """Return the area over that of the convex hull, pixels being squares."""
    from scipy.spatial import ConvexHull

    first = mask.argmax(axis=1)
    last = mask.shape[1] - mask[:, ::-1].argmax(axis=1)
    rows = np.flatnonzero(mask.any(axis=1))
    sides = [np.stack([rows + down, side[rows]], axis=1) for down in (0, 1) for side in (first, last)]
    return float(mask.sum() / ConvexHull(np.concatenate(sides)).volume)
