"""Cut a mask along the valleys of a relief: watershed, whose basins are joined where no valley parts them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.segment.pieces import unseparated
from nanonet.segment.separation import Foreground, Separated, in_rows


def cut_at_passes(
    foreground: Foreground, relief: Float[np.ndarray, "y x"], *, neck: float, least: float
) -> Separated:
    """Return the particles of a mask, each about a peak of a relief.

    Every maximum of the relief starts a basin (Beucher and Meyer, 1993). Two basins stay apart where the pass
    between them is lower than ``neck`` times the lower of their two peaks.

    Parameters
    ----------
    relief
        (y, x) positive inside particles, highest in their middle.
    neck
        0 cuts nothing, 1 at every dent.
    least
        Peaks that are lower are joined to a neighbour, whatever the pass.
    """
    from skimage.measure import label

    mask = foreground.mask
    pieces, number = label(mask, connectivity=1, return_num=True)
    seeds = _seeds(relief, mask)
    crowded = _holds_several(pieces, seeds, number)
    if not crowded.any():
        return unseparated(foreground)
    basins = _basins(relief, seeds, crowded[pieces])
    parts = _merge(basins, relief, _peaks(relief, seeds), neck=neck, least=least)
    labels, first = in_rows(np.where(parts > 0, parts + number, pieces))
    piece = pieces.ravel()[first]
    return Separated(
        labels=labels, separated=np.bincount(piece)[piece] > 1, flagged=np.zeros(len(piece), dtype=bool)
    )


def _seeds(relief: Float[np.ndarray, "y x"], mask: Bool[np.ndarray, "y x"]) -> Int[np.ndarray, "y x"]:
    from scipy.ndimage import maximum_filter
    from skimage.measure import label

    peaks = mask & (relief >= maximum_filter(relief, size=5))
    return np.asarray(label(peaks, connectivity=2))


def _holds_several(
    pieces: Int[np.ndarray, "y x"], seeds: Int[np.ndarray, "y x"], number: int
) -> Bool[np.ndarray, " label"]:
    """Return which pieces hold more than one seed; the first entry is the background."""
    at = seeds > 0
    pairs = np.unique(np.stack([pieces[at], seeds[at]]), axis=1)
    return np.bincount(pairs[0], minlength=number + 1) > 1


def _basins(
    relief: Float[np.ndarray, "y x"], seeds: Int[np.ndarray, "y x"], where: Bool[np.ndarray, "y x"]
) -> Int[np.ndarray, "y x"]:
    from skimage.segmentation import watershed

    return np.asarray(watershed(-relief, np.where(where, seeds, 0), mask=where))


def _peaks(relief: Float[np.ndarray, "y x"], seeds: Int[np.ndarray, "y x"]) -> Float[np.ndarray, " label"]:
    """Return the height of the relief at each seed; the first entry is the background."""
    at = seeds > 0
    peaks = np.zeros(int(seeds.max()) + 1)
    np.maximum.at(peaks, seeds[at], relief[at])
    return peaks


def _merge(
    basins: Int[np.ndarray, "y x"],
    relief: Float[np.ndarray, "y x"],
    peak: Float[np.ndarray, " label"],
    *,
    neck: float,
    least: float,
) -> Int[np.ndarray, "y x"]:
    """Join basins over their passes, the highest first, where the pass is no neck."""
    first, second, height = _passes(basins, relief)
    root = np.arange(len(peak))
    for a, b, pass_height in zip(first.tolist(), second.tolist(), height.tolist(), strict=True):
        a, b = _find(root, a), _find(root, b)
        lower, higher = (a, b) if peak[a] < peak[b] else (b, a)
        if a != b and (pass_height >= neck * peak[lower] or peak[lower] < least):
            root[lower] = higher
    return np.asarray(np.array([_find(root, i) for i in range(len(root))])[basins])


def _passes(
    basins: Int[np.ndarray, "y x"], relief: Float[np.ndarray, "y x"]
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Return each pair of neighbouring basins and the height of the pass between them, highest first."""
    sides = []
    for one, other in (
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        a, b = basins[one], basins[other]
        at = (a != b) & (a > 0) & (b > 0)
        height = np.minimum(relief[one][at], relief[other][at])
        sides.append((np.minimum(a[at], b[at]), np.maximum(a[at], b[at]), height))
    first, second, height = (np.concatenate(parts) for parts in zip(*sides, strict=True))
    order = np.lexsort((second, first, -height))
    return first[order], second[order], height[order]


def _find(root: Int[np.ndarray, " n"], index: int) -> int:
    while root[index] != index:
        root[index] = root[root[index]]
        index = int(root[index])
    return index
