"""Assign the particles of each frame to those of the next, and find how far to look for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanonet.measure.spots import NONE, Spots, density, linked_pairs, scatter

_NEIGHBOURS = 0.5
"""Other particles within the widest distance that is looked at, on average, where particles lie far apart."""
_FALSE = 2.0
"""True links that a false one costs: it takes the place of the links of both of its ends."""
_AREA = 1 / 3
"""Share of the search radius that an e-fold change of area counts as, at most: areas jump where two merge."""
_LEAST = 0.05
"""What a search radius exceeds the last true link by, over the median radius of the particles."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How far to look for a particle in the next frame.

    Parameters
    ----------
    radius
        Largest distance, in the unit of the positions.
    area_weight
        Distance that an e-fold change of area counts as.
    """

    radius: float
    area_weight: float = 0.0


def assigned(spots: Spots, search: Search, *, max_gap: int = 0) -> Int[np.ndarray, " n"]:
    """Return the next row of each row, `NONE` where a track ends.

    The sum of the squared distances of all links of a frame to the next is the least possible; then, over the
    whole movie, that of all links over gaps (Jaqaman et al., Nat. Methods 5, 695 (2008)).

    Parameters
    ----------
    max_gap
        Frames in a row in which a particle may be missing.
    """
    from laptrack import LapTrack

    place = np.column_stack([spots.position, search.area_weight * np.log(spots.area)])
    furthest = search.radius**2
    tracker = LapTrack(
        cutoff=furthest,
        gap_closing_cutoff=furthest if max_gap else False,
        gap_closing_max_frame_count=max_gap + 1,
        # laptrack's own guess of what an open end costs refuses a tenth of all gaps.
        segment_start_cost=furthest,
        segment_end_cost=furthest,
    )
    after = np.full(len(spots), NONE)
    graph = tracker.predict([place[index] for index in spots.by_frame])
    for (frame, index), (later, other) in graph.edges:
        after[spots.by_frame[frame][index]] = spots.by_frame[later][other]
    return after


def search_for(spots: Spots, step: float, *, fixed: bool) -> Search:
    """Return how far to look for particles, and how much their areas say, from the movie itself.

    Particles are assigned by place alone first, up to a distance at which strangers are linked too: those
    lie as far from a particle as its neighbours in the same frame do, so that the links in the outer half
    of the area that is looked at say how many of the others are false. The radius is where links that are
    false and true ones that are refused are the fewest, a false one counted twice. Areas count for as much
    as they are steady.

    Parameters
    ----------
    step
        Distance that is looked at, in the unit of the positions; more where particles lie far apart.
    fixed
        Whether ``step`` is the radius, and is not to be found.
    """
    widest = step if fixed else max(step, float(np.sqrt(_NEIGHBOURS / np.pi / density(spots))))
    first, second = linked_pairs(spots, assigned(spots, Search(radius=widest)))
    moved = np.sort(np.linalg.norm(spots.position[second] - spots.position[first], axis=1))
    radius = widest
    if not fixed and len(moved):
        best = _fewest_errors(moved, _neighbours(spots, widest), widest)
        radius = min(widest, best + _LEAST * float(np.median(spots.radius)))
    change = scatter(spots, first, second)
    return Search(radius=radius, area_weight=min(_AREA * radius, change.step / change.growth))


def _neighbours(spots: Spots, reach: float) -> Float[np.ndarray, " p"]:
    """Return the distances of all pairs of one frame up to a reach, ascending."""
    from scipy.spatial import cKDTree

    found = [np.zeros(0)]
    for index in spots.by_frame:
        if len(index):
            place = spots.position[index]
            one, other = cKDTree(place).query_pairs(reach, output_type="ndarray").T
            found.append(np.linalg.norm(place[one] - place[other], axis=1))
    return np.sort(np.concatenate(found))


def _fewest_errors(moved: Float[np.ndarray, " k"], apart: Float[np.ndarray, " p"], widest: float) -> float:
    """Return the one of the distances of all links, ascending, at which most links are right."""
    inner = widest / np.sqrt(2)
    outer = np.count_nonzero(apart > inner)
    share = np.count_nonzero(moved > inner) / outer if outer else 0.0
    false = share * np.searchsorted(apart, moved, side="right")
    # Links that are refused are no loss where they are false.
    refused = len(moved) - 1 - np.arange(len(moved)) - (share * len(apart) - false)
    return float(moved[np.argmin(refused + _FALSE * false)])
