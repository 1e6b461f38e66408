"""How well particles are followed: links, tracks, coalescences that are found, growth rates.

What is found has owners: the true particles that it is made of, several where they have merged, none where
it is no particle at all. A link is right where both of its ends have an owner in common that was nowhere
seen by itself in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from nanonet.records import Estimate

RESAMPLES = 1000
LONGEST = 3
"""Frames over which a particle should be linked to itself; one that is not seen for longer need not be."""
NEAR = 5
"""Frames by which an event that is found may be off."""

SHARES: Mapping[str, tuple[str, str]] = {
    "links found": ("right", "needed"),
    "links right": ("right", "made"),
    "purity": ("pure", "held"),
    "completeness": ("whole", "own"),
    "events found": ("hits", "events"),
    "events right": ("hits", "alarms"),
    "confidence": ("trust", "alarms"),
    "rate error": ("off", "rated"),
    "rate covered": ("covered", "rated"),
}
"""Each share: what is counted, and out of what."""
COUNTED = tuple(dict.fromkeys(name for pair in SHARES.values() for name in pair))


@dataclass(frozen=True, kw_only=True)
class Union:
    """Two groups of particles that become one for good in a frame; ``confidence`` where it was found."""

    frame: int
    one: frozenset[int]
    other: frozenset[int]
    confidence: float = 1.0


def link_counts(
    frame: Int[np.ndarray, " n"], track: Int[np.ndarray, " n"], owners: Sequence[frozenset[int]]
) -> dict[str, float]:
    """Return what `SHARES` needs of links and tracks; one row a particle that was found."""
    order = np.argsort(frame, kind="stable")
    seen = _appearances(frame, owners, order)
    before: dict[int, int] = {}
    made, right = 0, 0
    good: dict[int, int] = {}
    for row in order:
        last = before.get(int(track[row]))
        if last is not None:
            made += 1
            if _is_right(last, int(row), frame, owners, seen):
                right += 1
                good[int(row)] = last
        before[int(track[row])] = int(row)
    used = set(good.values())
    needed = sum(
        int(row) in good or _is_missed(int(row), frame, owners, seen, used) for row in order if owners[row]
    )
    return {"right": right, "needed": needed, "made": made, **_tracks(track, owners)}


def _appearances(
    frame: np.ndarray, owners: Sequence[frozenset[int]], order: np.ndarray
) -> dict[int, list[tuple[int, int]]]:
    """Return the (frame, row) that each particle is seen in, by time."""
    seen: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in order:
        for owner in owners[row]:
            seen[owner].append((int(frame[row]), int(row)))
    return seen


def _is_right(
    first: int,
    second: int,
    frame: np.ndarray,
    owners: Sequence[frozenset[int]],
    seen: Mapping[int, list[tuple[int, int]]],
) -> bool:
    return any(
        not any(frame[first] < t < frame[second] and len(owners[row]) == 1 for t, row in seen[owner])
        for owner in owners[first] & owners[second]
    )


def _is_missed(
    row: int,
    frame: np.ndarray,
    owners: Sequence[frozenset[int]],
    seen: Mapping[int, list[tuple[int, int]]],
    used: set[int],
) -> bool:
    """Return whether a row should have been linked to an earlier one and was not.

    Of the pieces of one that was cut only one can go on.
    """
    for owner in owners[row]:
        earlier = [(t, r) for t, r in seen[owner] if t < frame[row]]
        if not earlier or frame[row] - earlier[-1][0] > LONGEST:
            continue
        last = [r for t, r in earlier if t == earlier[-1][0]]
        alone = len(owners[row]) == 1 and any(len(owners[r]) == 1 for _, r in earlier)
        if alone or any(r not in used for r in last):
            return True
    return False


def _tracks(track: np.ndarray, owners: Sequence[frozenset[int]]) -> dict[str, float]:
    members: dict[int, list[int]] = defaultdict(list)
    alone: dict[int, list[int]] = defaultdict(list)
    for row, number in enumerate(track):
        members[int(number)].append(row)
        if len(owners[row]) == 1:
            alone[next(iter(owners[row]))].append(int(number))
    pure = sum(
        max((sum(owner in owners[row] for row in rows) for owner in _all(owners, rows)), default=0)
        for rows in members.values()
    )
    whole = sum(int(np.unique(tracks, return_counts=True)[1].max()) for tracks in alone.values())
    return {"pure": pure, "held": len(track), "whole": whole, "own": sum(map(len, alone.values()))}


def _all(owners: Sequence[frozenset[int]], rows: Iterable[int]) -> frozenset[int]:
    return frozenset().union(*(owners[row] for row in rows))


def unions(frames: Sequence[Sequence[frozenset[int]]]) -> list[Union]:
    """Return which particles become one for good, from the owners of all that is truly there."""
    apart: dict[tuple[int, int], int] = {}
    joined: dict[tuple[int, int], list[int]] = defaultdict(list)
    pairs = {pair for bodies in frames for body in bodies for pair in combinations(sorted(body), 2)}
    for t, bodies in enumerate(frames):
        home = {owner: body for body in bodies for owner in body}
        for i, j in pairs:
            if i in home and j in home:
                if home[i] == home[j]:
                    joined[i, j].append(t)
                else:
                    apart[i, j] = t
    found, group = [], {owner: frozenset([owner]) for pair in pairs for owner in pair}
    for t, i, j in sorted(
        (min(t for t in ts if t > apart.get(pair, -1)), *pair)
        for pair, ts in joined.items()
        if ts[-1] > apart.get(pair, -1)
    ):
        if group[i] != group[j]:
            if (i, j) in apart:
                found.append(Union(frame=t, one=group[i], other=group[j]))
            both = group[i] | group[j]
            group |= dict.fromkeys(both, both)
    return found


def match_unions(true: Sequence[Union], found: Sequence[Union]) -> list[tuple[int, int]]:
    """Return pairs of a true and a found event, the nearest in time first, each in one pair at most."""
    near = sorted(
        (abs(t.frame - f.frame), i, j)
        for i, t in enumerate(true)
        for j, f in enumerate(found)
        if abs(t.frame - f.frame) <= NEAR and _same(t, f)
    )
    pairs: list[tuple[int, int]] = []
    for _, i, j in near:
        if i not in {a for a, _ in pairs} and j not in {b for _, b in pairs}:
            pairs.append((i, j))
    return pairs


def _same(true: Union, found: Union) -> bool:
    return bool(
        (true.one & found.one and true.other & found.other)
        or (true.one & found.other and true.other & found.one)
    )


def union_counts(true: Sequence[Union], found: Sequence[Union]) -> dict[str, float]:
    """Return what `SHARES` needs of events."""
    return {
        "hits": len(match_unions(true, found)),
        "events": len(true),
        "alarms": len(found),
        "trust": sum(event.confidence for event in found),
    }


def rate_counts(
    rated: Iterable[tuple[int, int, int, float, float, float]],
    owner: Mapping[int, int],
    sizes: Mapping[int, Mapping[int, float]],
) -> dict[str, float]:
    """Return what `SHARES` needs of growth rates: mean error, and how often the interval holds the true one.

    The true rate is the slope of a line through the true diameters in the frames that the track spans.

    Parameters
    ----------
    rated
        Track, first and last frame, rate, and the ends of its interval.
    owner
        The particle of each track that is of one alone; others are left out.
    sizes
        True diameter of each particle by frame, where it is by itself.
    """
    counts = {"off": 0.0, "covered": 0.0, "rated": 0.0}
    for track, first, last, rate, low, high in rated:
        known = sizes.get(owner.get(track, -1), {})
        spanned = [(frame, size) for frame, size in known.items() if first <= frame <= last]
        if len(spanned) > 1:
            slope = float(np.polyfit(*np.array(spanned).T, 1)[0])
            counts["off"] += abs(rate - slope)
            counts["covered"] += low <= slope <= high
            counts["rated"] += 1
    return counts


def owners_of_tracks(track: Int[np.ndarray, " n"], owners: Sequence[frozenset[int]]) -> dict[int, int]:
    """Return the particle of each track all of whose rows are of that one alone."""
    of: dict[int, set[frozenset[int]]] = defaultdict(set)
    for number, group in zip(track.tolist(), owners, strict=True):
        of[number].add(group)
    return {
        number: next(iter(next(iter(groups))))
        for number, groups in of.items()
        if len(groups) == 1 and len(next(iter(groups))) == 1
    }


def estimates(tallies: Sequence[Mapping[str, float]]) -> dict[str, Estimate]:
    """Return each of `SHARES` with its 90 % interval, by a bootstrap over what the tallies are of."""
    counts = np.array([[tally.get(name, 0.0) for name in COUNTED] for tally in tallies])
    rng = np.random.default_rng([0])
    draws = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), RESAMPLES) @ counts
    return {name: _estimate(name, counts.sum(axis=0)[None], draws, len(counts)) for name in SHARES}


def _estimate(name: str, whole: Float[np.ndarray, "1 k"], draws: np.ndarray, number: int) -> Estimate:
    part, out_of = (COUNTED.index(key) for key in SHARES[name])
    if not whole[0, out_of]:
        return Estimate(name=name, value=np.nan)
    drawn = draws[:, part] / np.where(draws[:, out_of] > 0, draws[:, out_of], np.nan)
    low, high = np.nanquantile(drawn, [0.05, 0.95]) if number > 1 else (None, None)
    return Estimate(
        name=name,
        value=float(whole[0, part] / whole[0, out_of]),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
    )
