"""Where a particle that is no longer seen has gone: into a neighbour, or nobody knows where.

A neighbour that takes a particle in lay against it before and has grown by its area since. Both are weighed
against chance: the distance of the outlines against how often any neighbour is as near, the change of area
against how much areas change anyhow. How many of the particles that drop out are taken in is learnt from
the movie itself (the share of a mixture, by expectation and maximisation), so that the chances are those of
this movie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.measure.spots import NONE, Scatter, Spots, density, linked_pairs, preceding, scatter

SURE = 0.5
"""Chance from which a particle counts as taken in by a neighbour."""
_ROUGHNESS = 0.15
"""Outlines are no circles: by how much they are off, over the radius."""
_CUT = 0.2
"""Scatter of the logarithm of an area that the edge of the frame cuts, as particles and stage move."""
_NODES = 9
"""Points between what touches and what has fused that the area of two in one is looked for at."""
_ROUNDS = 30
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class Absorptions:
    """Particles that drop out, each with the neighbour that most probably took it in.

    Parameters
    ----------
    row
        (k,) last row of each before it drops out.
    host_before, host_after
        (k,) rows of the neighbour before and after.
    gap
        (k,) distance of the outlines before, discs of their areas; negative where these overlap.
    evidence
        (k,) how much more probable the neighbour's change of area is if it took the other in than if not.
    chance
        (k,) that it took it in.
    """

    row: Int[np.ndarray, " k"]
    host_before: Int[np.ndarray, " k"]
    host_after: Int[np.ndarray, " k"]
    gap: Float[np.ndarray, " k"]
    evidence: Float[np.ndarray, " k"]
    chance: Float[np.ndarray, " k"]

    def __len__(self) -> int:
        return len(self.row)


def absorptions(spots: Spots, after: Int[np.ndarray, " n"], *, max_gap: int, reach: float) -> Absorptions:
    """Return the particles that drop out beside a neighbour that stays, by their last row.

    A particle drops out where its track ends, or is not seen for a frame or more, before the last frame of
    the movie.

    Parameters
    ----------
    after
        (n,) next row of each row, `NONE` at the end of its track.
    max_gap
        Frames for which the neighbour may not be seen either, or the particle before it is taken in.
    reach
        Largest distance of the outlines, in the unit of the positions.
    """
    change = scatter(spots, *linked_pairs(spots, after))
    begins = preceding(after) == NONE
    frames = range(len(spots.by_frame) - 1)
    parts = [_candidates(spots, after, begins, index, max_gap, reach) for index in frames]
    pairs = _Pairs.joined(parts)
    evidence = _growth(spots, pairs, change)
    ratio = _nearness(spots, pairs, change) * evidence * _unseen(spots, after, pairs)
    ended, cut = after[pairs.row] == NONE, spots.border[pairs.row]
    chance = np.zeros(len(ratio))
    for group in (ended & cut, ended & ~cut, ~ended & cut, ~ended & ~cut):
        chance[group] = _chances(pairs.row[group], ratio[group])
    best = _best(pairs.row, chance)
    return Absorptions(
        row=pairs.row[best],
        host_before=pairs.before[best],
        host_after=pairs.after[best],
        gap=pairs.gap[best],
        evidence=evidence[best],
        chance=chance[best],
    )


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """A particle that drops out with a neighbour, before and after; and the distance of their outlines."""

    row: Int[np.ndarray, " p"]
    before: Int[np.ndarray, " p"]
    after: Int[np.ndarray, " p"]
    gap: Float[np.ndarray, " p"]

    @classmethod
    def joined(cls, parts: Sequence[_Pairs]) -> _Pairs:
        """Return the pairs of all frames."""
        if not parts:
            no = np.zeros(0, dtype=np.int64)
            return cls(row=no, before=no, after=no, gap=np.zeros(0))
        return cls(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})


def _candidates(
    spots: Spots,
    after: Int[np.ndarray, " n"],
    begins: Bool[np.ndarray, " n"],
    index: int,
    max_gap: int,
    reach: float,
) -> _Pairs:
    """Return the pairs of those that are last seen, for good or for a while, in a frame by its place."""
    frame = index + int(spots.frame.min())
    around = np.concatenate(spots.by_frame[max(index - max_gap, 0) : index + 1 + max_gap])
    then = np.where(after[around] == NONE, _NEVER, spots.frame[after[around]])
    here = spots.frame[around] == frame
    lost = around[here & (then > frame + 1)]
    stays = around[(then > frame) & (then <= frame + 1 + max_gap)]
    soon = np.concatenate(spots.by_frame[index + 1 : index + 2 + max_gap])
    over = around[(then == _NEVER) & (spots.frame[around] <= frame)]
    ended, begun = _changed(spots, over, soon[begins[soon]])
    before, behind = np.concatenate([stays, ended]), np.concatenate([after[stays], begun])
    i, j = (each.ravel() for each in np.indices((len(lost), len(before))))
    row, before, behind = lost[i], before[j], behind[j]
    gap = np.maximum(_gap(spots, row, before), _gap(spots, row, behind))
    again = np.where(after[row] == NONE, _NEVER, spots.frame[after[row]])
    kept = (row != before) & (gap < reach) & (spots.frame[behind] < again)
    return _Pairs(row=row[kept], before=before[kept], after=behind[kept], gap=gap[kept])


def _changed(
    spots: Spots, ended: Int[np.ndarray, " m"], begun: Int[np.ndarray, " k"]
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """Return pairs of a row that ends a track and one over it that begins another: they may be two in one."""
    i, j = (each.ravel() for each in np.indices((len(ended), len(begun))))
    over = _gap(spots, ended[i], begun[j]) < 0
    return ended[i][over], begun[j][over]


def _gap(spots: Spots, one: Int[np.ndarray, " p"], other: Int[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
    apart = np.linalg.norm(spots.position[one] - spots.position[other], axis=1)
    return np.asarray(apart - spots.radius[one] - spots.radius[other])


def _nearness(spots: Spots, pairs: _Pairs, change: Scatter) -> Float[np.ndarray, " p"]:
    """Return how much more probable the gap is of two that become one than of any two.

    The first is half a normal distribution, as wide as particles move and their outlines are off; of the
    second, neighbours lie anywhere at the density of the movie.
    """
    reach = spots.radius[pairs.row] + spots.radius[pairs.before]
    width = np.hypot(2 * change.step, _ROUGHNESS * reach)
    gap = np.maximum(pairs.gap, 0)
    touching = np.sqrt(2 / np.pi) / width * np.exp(-0.5 * (gap / width) ** 2)
    return np.asarray(touching / (2 * np.pi * density(spots) * (reach + gap)))


def _unseen(spots: Spots, after: Int[np.ndarray, " n"], pairs: _Pairs) -> Float[np.ndarray, " p"]:
    """Return the chance that a particle was missed in all frames between its last one and its end.

    Frames that are missing within tracks, over all that tracks span, are the chance of one.
    """
    first = np.flatnonzero(after != NONE)
    missing = float((spots.frame[after[first]] - spots.frame[first] - 1).sum())
    delay = np.maximum(spots.frame[pairs.before] - spots.frame[pairs.row], 0)
    return np.asarray(((missing + 1) / (missing + len(spots) + 2)) ** delay)


def _growth(spots: Spots, pairs: _Pairs, change: Scatter) -> Float[np.ndarray, " p"]:
    cut = spots.border[pairs.row] | spots.border[pairs.before] | spots.border[pairs.after]
    return growth_evidence(
        spots.area[pairs.before],
        spots.area[pairs.row],
        spots.area[pairs.after],
        width=area_scatter(change, cut),
    )


def area_scatter(change: Scatter, cut: Bool[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
    """Return by how much the logarithm of an area changes from frame to frame, cut by the edge or not."""
    return np.asarray(np.hypot(change.growth, np.where(cut, _CUT, 0.0)))


def growth_evidence(
    before: Float[np.ndarray, " p"],
    lost: Float[np.ndarray, " p"],
    after: Float[np.ndarray, " p"],
    *,
    width: Float[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """Return how much more probable a particle's change of area is if it took another in than if not.

    Two that touch show the sum of their areas; once they are one sphere of the same volume it is less.
    Changes of area follow Student's t with 3 degrees of freedom: outlines go wrong more often than normally.

    Parameters
    ----------
    before, after
        (p,) its areas.
    lost
        (p,) area of the other.
    width
        (p,) scatter of the logarithm of its area.
    """
    from scipy.stats import t

    found = np.log(after / before)
    low, high = np.log(fused_area(before, lost) / before), np.log((before + lost) / before)
    nodes = low + (high - low) * np.linspace(0, 1, _NODES)[:, None]
    return np.asarray(t.pdf((found - nodes) / width, 3).mean(axis=0) / t.pdf(found / width, 3))


def fused_area(one: Float[np.ndarray, " p"], other: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
    """Return the projected area of one sphere with the volume of two."""
    return np.asarray((one**1.5 + other**1.5) ** (2 / 3))


def _chances(row: Int[np.ndarray, " p"], ratio: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
    """Return the probability of each pair: of those of one row at most one is true.

    The share of rows that are taken in starts as if one had been seen that was and one that was not.
    """
    rows, index = np.unique(row, return_inverse=True)
    share, chance = 0.5, np.zeros(len(ratio))
    for _ in range(_ROUNDS if len(rows) else 0):
        odds = share / (1 - share) * ratio
        chance = odds / (1 + np.bincount(index, odds))[index]
        share = (chance.sum() + 1) / (len(rows) + 2)
    return chance


def _best(row: Int[np.ndarray, " p"], chance: Float[np.ndarray, " p"]) -> Int[np.ndarray, " k"]:
    """Return the most probable pair of each row."""
    order = np.lexsort((-chance, row))
    first = np.ones(len(order), dtype=bool)
    first[1:] = row[order[1:]] != row[order[:-1]]
    return np.asarray(order[first])
