"""The particles of one movie as arrays, in a frame of reference that does not drift, and how they go on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from nanonet.measure.columns import LengthUnit
from nanonet.measure.drift import drift

NONE = -1
"""Row that stands for none."""


@dataclass(frozen=True, kw_only=True)
class Spots:
    """Particles of one movie, a row each.

    Parameters
    ----------
    frame
        (n,) index of the frame.
    position
        (n, 2) centroid (y, x) less the drift of the frame, in the unit of the table.
    drift
        (n, 2) of the frame since the first one.
    area
        (n,) in that unit squared.
    border
        (n,) whether the edge of the frame cuts it: its area then says little.
    """

    frame: Int[np.ndarray, " n"]
    position: Float[np.ndarray, "n 2"]
    drift: Float[np.ndarray, "n 2"]
    area: Float[np.ndarray, " n"]
    border: Bool[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def radius(self) -> Float[np.ndarray, " n"]:
        """Radius of the disc of the same area."""
        return np.asarray(np.sqrt(self.area / np.pi))

    @cached_property
    def by_frame(self) -> list[Int[np.ndarray, " m"]]:
        """Rows of each frame from the first to the last; some may be empty."""
        since = self.frame - self.frame.min()
        order = np.argsort(since, kind="stable")
        ends = np.searchsorted(since[order], np.arange(since.max() + 2))
        return [order[start:stop] for start, stop in pairwise(ends)]

    def backwards(self) -> Spots:
        """Return the movie from its end to its beginning."""
        return replace(self, frame=-self.frame)


def spots_of(rows: pd.DataFrame, unit: LengthUnit, max_step: float) -> Spots:
    """Return the particles of one movie, with the drift of its frames taken off.

    Parameters
    ----------
    rows
        Of a particle table, all of one image, at least one.
    max_step
        How far a particle may move by itself between two frames, in ``unit``.
    """
    given = rows[[f"y_{unit}", f"x_{unit}"]].to_numpy(dtype=np.float64)
    spots = Spots(
        frame=rows["frame"].to_numpy(dtype=np.int64),
        position=given,
        drift=np.zeros_like(given),
        area=rows[f"area_{unit}2"].to_numpy(dtype=np.float64),
        border=rows["touches_border"].to_numpy(dtype=bool),
    )
    shift = drift([given[index] for index in spots.by_frame], max_step=max_step)
    moved = shift[spots.frame - spots.frame.min()]
    return replace(spots, position=given - moved, drift=moved)


def following(frame: Int[np.ndarray, " n"], track: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Return the next row of the same track, `NONE` where there is none."""
    order = np.lexsort((frame, track))
    same = track[order[1:]] == track[order[:-1]]
    after = np.full(len(frame), NONE)
    after[order[:-1][same]] = order[1:][same]
    return after


def rows_of(frame: Int[np.ndarray, " n"], track: Int[np.ndarray, " n"]) -> dict[int, Int[np.ndarray, " m"]]:
    """Return the rows of each track in the order of frames."""
    order = np.lexsort((frame, track))
    numbers, start = np.unique(track[order], return_index=True)
    ends = np.append(start, len(order))[1:]
    return {int(number): order[i:j] for number, i, j in zip(numbers, start, ends, strict=True)}


def preceding(after: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Return the row before each row, from the row after each."""
    before = np.full(len(after), NONE)
    linked = np.flatnonzero(after != NONE)
    before[after[linked]] = linked
    return before


def numbered(frame: Int[np.ndarray, " n"], after: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Return the track 1..n of each row from the row after each, in the order of first frame and row."""
    before = preceding(after)
    track = np.zeros(len(frame), dtype=np.int64)
    number = 0
    for row in np.argsort(frame, kind="stable"):
        if before[row] == NONE:
            number += 1
            track[row] = number
        else:
            track[row] = track[before[row]]
    return track


def linked_pairs(
    spots: Spots, after: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Return the rows of all links from a frame to the next."""
    first = np.flatnonzero(after != NONE)
    first = first[spots.frame[after[first]] == spots.frame[first] + 1]
    return first, after[first]


def density(spots: Spots) -> float:
    """Return the particles of a frame over the area that they lie in."""
    extent = np.ptp(spots.position, axis=0) + 2 * float(np.median(spots.radius))
    return float(len(spots) / len(spots.by_frame) / extent.prod())


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """How much particles change from a frame to the next.

    Parameters
    ----------
    step
        Standard deviation of the motion along an axis, in the unit of the positions.
    growth
        Standard deviation of the logarithm of the area.
    """

    step: float
    growth: float


_LEAST_STEP = 0.01
"""Motion below which it cannot be told, over the median radius."""
_LEAST_GROWTH = 0.02
"""Change of area below which it cannot be told: outlines are drawn on pixels."""


def scatter(spots: Spots, first: Int[np.ndarray, " k"], second: Int[np.ndarray, " k"]) -> Scatter:
    """Return how much particles change, by medians over pairs of rows one frame apart.

    Parameters
    ----------
    first, second
        (k,) rows of the same particles in a frame and in the next.
    """
    whole = ~(spots.border[first] | spots.border[second])
    first, second = first[whole], second[whole]
    least = Scatter(step=_LEAST_STEP * float(np.median(spots.radius)), growth=_LEAST_GROWTH)
    if not len(first):
        return Scatter(step=10 * least.step, growth=5 * least.growth)
    moved = np.abs(spots.position[second] - spots.position[first])
    grown = np.abs(np.log(spots.area[second] / spots.area[first]))
    return Scatter(
        step=max(1.4826 * float(np.median(moved)), least.step),
        growth=max(1.4826 * float(np.median(grown)), least.growth),
    )
