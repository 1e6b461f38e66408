"""Tracks that meet: the larger particle carries its track on, and who parts again is who met before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from nanonet.measure.absorption import SURE, Absorptions, absorptions
from nanonet.measure.spots import NONE, Spots, preceding

_ALIKE = 1.5
"""Largest ratio of areas, before two met and after they parted, of the same particle."""


def rejoined(
    spots: Spots, after: Int[np.ndarray, " n"], *, max_gap: int, reach: float
) -> Int[np.ndarray, " n"]:
    """Return the next row of each row, with tracks that meet or part put right.

    Where one particle becomes part of another, the larger of the two has the row of both; where one comes out
    of another, the larger had it. Two that come out of one with the areas that two went in with are
    the same two, whatever the time between: they touched, or were taken for one, and did not coalesce.

    Parameters
    ----------
    spots, max_gap, reach
        As of `nanonet.measure.absorption.absorptions`.
    after
        (n,) next row of each row in its track, `NONE` at the end.
    """
    after = _carried_by_larger(spots, after, max_gap=max_gap, reach=reach)
    backwards = spots.backwards()
    before = _carried_by_larger(backwards, preceding(after), max_gap=max_gap, reach=reach)
    after = preceding(before)
    joins = absorptions(spots, after, max_gap=max_gap, reach=reach)
    partings = absorptions(backwards, before, max_gap=max_gap, reach=reach)
    return _reunited(spots, after, joins, partings)


def _carried_by_larger(
    spots: Spots, after: Int[np.ndarray, " n"], *, max_gap: int, reach: float
) -> Int[np.ndarray, " n"]:
    after = after.copy()
    found = absorptions(spots, after, max_gap=max_gap, reach=reach)
    for index in np.flatnonzero((found.chance > SURE) & (after[found.row] == NONE)):
        row, host, both = found.row[index], found.host_before[index], found.host_after[index]
        if after[row] != NONE or after[host] not in (NONE, both):
            continue
        if after[host] == NONE and (after == both).any():
            continue
        smaller, larger = sorted((row, host), key=lambda each: (spots.area[each], each))
        after[smaller], after[larger] = NONE, both
    return after


def _reunited(
    spots: Spots, after: Int[np.ndarray, " n"], joins: Absorptions, partings: Absorptions
) -> Int[np.ndarray, " n"]:
    """Link each two that come out of one with those two, of all that went in, that they are most like."""
    after, before = after.copy(), preceding(after)
    entered: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for index in np.flatnonzero((joins.chance > SURE) & (after[joins.row] == NONE)):
        entered[int(joins.host_after[index])].append((int(joins.row[index]), int(joins.host_before[index])))
    sure = np.flatnonzero((partings.chance > SURE) & (before[partings.row] == NONE))
    for index in sure[np.argsort(spots.frame[partings.row[sure]], kind="stable")]:
        # Backwards in time, the row after of the host is the one that both are still in.
        left, host = int(partings.row[index]), int(partings.host_before[index])
        both = int(partings.host_after[index])
        if after[both] != host or before[left] != NONE:
            continue
        met = [pair for pair in _inside(both, before, entered) if after[pair[0]] == NONE]
        ways = [
            (_unlikeness(spots, pair, out), pair[0], out)
            for pair in met
            for out in ((left, host), (host, left))
        ]
        unlike, row, out = min(ways, default=(np.inf, NONE, (NONE, NONE)))
        if unlike < np.inf:
            for first, second in ((row, out[0]), (both, out[1])):
                after[first], before[second] = second, first
    return after


def _inside(
    row: int, before: Int[np.ndarray, " n"], entered: dict[int, list[tuple[int, int]]]
) -> Iterator[tuple[int, int]]:
    """Yield the rows of the two of each pair that went into the track of a row, up to it."""
    while row != NONE:
        yield from entered.get(row, [])
        row = int(before[row])


def _unlikeness(spots: Spots, before: tuple[int, int], behind: tuple[int, int]) -> float:
    """Return how unlike two pairs of rows are, infinite where their areas are: by place and area."""
    one, other = list(before), list(behind)
    grown = np.abs(np.log(spots.area[other] / spots.area[one]))
    if grown.max() > np.log(_ALIKE):
        return float(np.inf)
    turned = np.diff(spots.position[other], axis=0) - np.diff(spots.position[one], axis=0)
    return float(np.linalg.norm(turned) / spots.radius[one].sum() + grown.sum() / np.log(_ALIKE))
