"""Cut touching particles apart at their necks: watershed of the distance to the outline."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import InputError
from nanonet.segment.pieces import unseparated
from nanonet.segment.separation import Foreground, Separated, in_rows


def separate(foreground: Foreground, *, neck: float = 0.75) -> Separated:
    """Return the particles of a mask, cut at their necks.

    Every maximum of the distance to the outline starts a basin (Beucher and Meyer, 1993). Two basins stay
    apart where the pass between them is lower than ``neck`` times the lower of their two peaks: the neck is
    then narrower than that share of the smaller particle. Two discs of one radius r stay apart from a
    distance of their centres of 2 r sqrt(1 - neck²). What is narrower than ``foreground.smallest`` is not
    cut off.

    Parameters
    ----------
    neck
        0 cuts nothing, 1 cuts at every roughness of an outline.

    Raises
    ------
    InputError
        If the neck is not in 0..1.
    """
    from scipy.ndimage import distance_transform_edt
    from skimage.measure import label

    if not 0.0 <= neck <= 1.0:
        raise InputError(f"neck must be in 0..1, got {neck}")
    mask = foreground.mask
    pieces, number = label(mask, connectivity=1, return_num=True)
    distance = distance_transform_edt(mask).astype(np.float32)
    seeds = _seeds(distance, mask)
    crowded = _holds_several(pieces, seeds, number)
    if not crowded.any():
        return unseparated(foreground)
    basins = _basins(distance, seeds, crowded[pieces])
    parts = _merge(
        basins, distance, _peaks(distance, seeds), neck=neck, smallest_radius=foreground.smallest / 2.0
    )
    labels, first = in_rows(np.where(parts > 0, parts + number, pieces))
    piece = pieces.ravel()[first]
    return Separated(
        labels=labels, separated=np.bincount(piece)[piece] > 1, flagged=np.zeros(len(piece), dtype=bool)
    )


def _seeds(distance: Float[np.ndarray, "y x"], mask: Bool[np.ndarray, "y x"]) -> Int[np.ndarray, "y x"]:
    from scipy.ndimage import maximum_filter
    from skimage.measure import label

    peaks = mask & (distance >= maximum_filter(distance, size=5))
    return np.asarray(label(peaks, connectivity=2))


def _holds_several(
    pieces: Int[np.ndarray, "y x"], seeds: Int[np.ndarray, "y x"], number: int
) -> Bool[np.ndarray, " label"]:
    """Return which pieces hold more than one seed; the first entry is the background."""
    at = seeds > 0
    pairs = np.unique(np.stack([pieces[at], seeds[at]]), axis=1)
    return np.bincount(pairs[0], minlength=number + 1) > 1


def _basins(
    distance: Float[np.ndarray, "y x"], seeds: Int[np.ndarray, "y x"], where: Bool[np.ndarray, "y x"]
) -> Int[np.ndarray, "y x"]:
    from skimage.segmentation import watershed

    return np.asarray(watershed(-distance, np.where(where, seeds, 0), mask=where))


def _peaks(distance: Float[np.ndarray, "y x"], seeds: Int[np.ndarray, "y x"]) -> Float[np.ndarray, " label"]:
    """Return the distance to the outline at each seed; the first entry is the background."""
    at = seeds > 0
    peaks = np.zeros(int(seeds.max()) + 1)
    np.maximum.at(peaks, seeds[at], distance[at])
    return peaks


def _merge(
    basins: Int[np.ndarray, "y x"],
    distance: Float[np.ndarray, "y x"],
    peak: Float[np.ndarray, " label"],
    *,
    neck: float,
    smallest_radius: float,
) -> Int[np.ndarray, "y x"]:
    """Join basins over their passes, the highest first, where the pass is no neck."""
    first, second, height = _passes(basins, distance)
    root = np.arange(len(peak))
    for a, b, pass_height in zip(first.tolist(), second.tolist(), height.tolist(), strict=True):
        a, b = _find(root, a), _find(root, b)
        lower, higher = (a, b) if peak[a] < peak[b] else (b, a)
        if a != b and (pass_height >= neck * peak[lower] or peak[lower] < smallest_radius):
            root[lower] = higher
    return np.asarray(np.array([_find(root, i) for i in range(len(root))])[basins])


def _passes(
    basins: Int[np.ndarray, "y x"], distance: Float[np.ndarray, "y x"]
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Return each pair of neighbouring basins and the height of the pass between them, highest first."""
    sides = []
    for one, other in (
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        a, b = basins[one], basins[other]
        at = (a != b) & (a > 0) & (b > 0)
        height = np.minimum(distance[one][at], distance[other][at])
        sides.append((np.minimum(a[at], b[at]), np.maximum(a[at], b[at]), height))
    first, second, height = (np.concatenate(parts) for parts in zip(*sides, strict=True))
    order = np.lexsort((second, first, -height))
    return first[order], second[order], height[order]


def _find(root: Int[np.ndarray, " n"], index: int) -> int:
    while root[index] != index:
        root[index] = root[root[index]]
        index = int(root[index])
    return index
