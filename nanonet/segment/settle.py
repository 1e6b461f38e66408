"""Candidates of several looks at a frame compete: each pixel goes to the one that is believed most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from nanonet.records import LabelMap
from nanonet.segment.candidates import Box, Candidates
from nanonet.segment.separation import in_rows

_FREE = 0.7
"""Share of a candidate's pixels that nobody else has taken, at least: else it is another view of the same."""


def settle(
    looks: Sequence[Candidates],
    confidence: Sequence[Float[np.ndarray, " n"]],
    shape: tuple[int, int],
    *,
    minimum_confidence: float,
    least_area: float,
) -> LabelMap:
    """Return the particles of a frame out of the candidates of all looks, the most credible first.

    Parameters
    ----------
    looks
        At the same frame, each of any scale.
    confidence
        Of each candidate of each look.
    shape
        Of the frame.
    minimum_confidence
        Candidates of less are dropped.
    least_area
        Pixels of the frame that a particle has at least.

    Returns
    -------
    LabelMap
        Those that were flagged have confidence 0 in the end, and their area is what could not be told apart.
    """
    labels = np.zeros(shape, dtype=np.int32)
    separated: list[bool] = []
    believed: list[float] = []
    unresolved: float | None = None
    for look, index in _in_turn(confidence, minimum_confidence):
        box, mask = on_frame(looks[look], index, shape)
        free = mask & (labels[box] == 0)
        taken, all_of_it = int(free.sum()), int(mask.sum())
        if taken < max(_FREE * all_of_it, least_area, 1):
            continue
        labels[box][free if taken == all_of_it else _largest_piece(free)] = len(believed) + 1
        flagged = bool(looks[look].flagged[index])
        if flagged:
            unresolved = (unresolved or 0.0) + taken / labels.size
        separated.append(bool(looks[look].separated[index]))
        believed.append(0.0 if flagged else float(confidence[look][index]))
    ordered, first = in_rows(labels)
    order = labels.ravel()[first] - 1
    return LabelMap(
        labels=ordered.astype(np.int32),
        separated=np.array(separated, dtype=bool)[order],
        confidence=np.array(believed, dtype=float)[order],
        unresolved=unresolved,
    )


def _in_turn(confidence: Sequence[Float[np.ndarray, " n"]], least: float) -> list[tuple[int, int]]:
    """Return look and index of every candidate that is credible enough, the most credible first."""
    those = [
        (-float(value), look, index)
        for look, values in enumerate(confidence)
        for index, value in enumerate(values)
        if value >= least
    ]
    return [(look, index) for _, look, index in sorted(those)]


def on_frame(look: Candidates, index: int, shape: tuple[int, int]) -> tuple[Box, Bool[np.ndarray, "h w"]]:
    """Return where a candidate lies in a frame, and its pixels there.

    Between the pixels of a look probability and shares of candidates are linear, so that outlines have
    no stairs where a look is coarser than the frame.
    """
    box = look.boxes[index]
    if look.labels.shape == shape:
        return box, look.labels[box] == index + 1
    around, places = zip(*map(_places, box, look.labels.shape, shape), strict=True)
    labels = look.labels[around]
    own = (labels == index + 1).astype(np.float32)
    other = ((labels > 0) & (labels != index + 1)).astype(np.float32)
    rows, columns = (steps - part.start for steps, part in zip(places, around, strict=True))
    inside = _between(look.excess[around], rows, columns) >= 0
    share = _between(own, rows, columns)
    mask = inside & (share > 0) & (share >= _between(other, rows, columns))
    at = tuple(
        slice(first, first + len(steps))
        for first, steps in zip(map(_first, box, look.labels.shape, shape), places, strict=True)
    )
    return (at[0], at[1]), mask


def _first(part: slice, size: int, wanted: int) -> int:
    """Return the first pixel of the frame that may be in a part of a look."""
    return max(int(np.floor((part.start - 0.5) * wanted / size)), 0)


def _places(part: slice, size: int, wanted: int) -> tuple[slice, Float[np.ndarray, " n"]]:
    """Return the part with a pixel around it, and where in the look the frame's pixels over it lie."""
    first = _first(part, size, wanted)
    stop = min(int(np.ceil((part.stop + 0.5) * wanted / size)), wanted)
    places = np.clip((np.arange(first, stop) + 0.5) * size / wanted - 0.5, 0, size - 1)
    return slice(max(part.start - 1, 0), min(part.stop + 1, size)), places


def _between(
    values: Float32[np.ndarray, "h w"], rows: Float[np.ndarray, " y"], columns: Float[np.ndarray, " x"]
) -> Float[np.ndarray, "y x"]:
    """Return values at places between pixels, bilinearly."""
    return _along(_along(values, rows).T, columns).T


def _along(values: Float[np.ndarray, "n m"], places: Float[np.ndarray, " k"]) -> Float[np.ndarray, "k m"]:
    places = np.clip(places, 0, len(values) - 1)
    low = np.minimum(places.astype(int), max(len(values) - 2, 0))
    high = np.minimum(low + 1, len(values) - 1)
    share = (places - low)[:, None]
    return np.asarray((1 - share) * values[low] + share * values[high])


def _largest_piece(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    from scipy.ndimage import label

    pieces: Int[np.ndarray, "h w"]
    pieces, number = label(mask)
    if number == 1:
        return mask
    return np.asarray(pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:])))
