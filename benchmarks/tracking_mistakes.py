"""What a segmentation makes of the movies of `tracking_movies`: missed, made up, joined, cut, and off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tracking_movies import Spot, extent, gap_between


@dataclass(frozen=True, kw_only=True)
class Mistakes:
    """What a segmentation makes of the truth.

    Parameters
    ----------
    missed
        Chance that a body is not seen in a frame.
    added
        False particles over true ones.
    jitter
        Standard deviation of a position along an axis [nm].
    noise
        Standard deviation of the logarithm of an area.
    joined, reach
        Chance, drawn for each frame, that two bodies nearer than a reach [nm] are taken for one.
    cut
        Chance that one which is coalescing, and still has a neck, is cut in two.
    """

    missed: float = 0.03
    added: float = 0.02
    jitter: float = 0.15
    noise: float = 0.03
    joined: float = 0.3
    reach: float = 0.6
    cut: float = 0.2


@dataclass(frozen=True, kw_only=True)
class Found:
    """A particle that a segmentation found; one that is not there has no owners."""

    frame: int
    owners: frozenset[int]
    y: float
    x: float
    area: float
    border: bool


def segmented(frames: Sequence[Sequence[Spot]], side: float, mistakes: Mistakes, seed: int) -> list[Found]:
    """Return what is found of a movie, in no order within a frame."""
    rng = np.random.default_rng([seed, 1])
    found = []
    for frame in frames:
        pieces = [piece for spot in frame for piece in _cut(spot, side, mistakes, rng)]
        rows = [_noisy(spot, mistakes, rng) for spot in _together(pieces, side, mistakes, rng)]
        rows = [row for row in rows if rng.random() >= mistakes.missed]
        for _ in range(int(rng.poisson(mistakes.added * len(frame)))):
            area = float(np.median([spot.area for spot in frame]) * rng.uniform(0.1, 1))
            y, x = rng.uniform(0, side, 2)
            rows.append(
                Found(
                    frame=frame[0].frame, owners=frozenset(), y=float(y), x=float(x), area=area, border=False
                )
            )
        found += [rows[i] for i in rng.permutation(len(rows))]
    return found


def _noisy(spot: Spot, mistakes: Mistakes, rng: np.random.Generator) -> Found:
    dy, dx = mistakes.jitter * rng.standard_normal(2)
    area = spot.area * float(np.exp(mistakes.noise * rng.standard_normal()))
    return Found(
        frame=spot.frame, owners=spot.owners, y=spot.y + dy, x=spot.x + dx, area=area, border=spot.border
    )


def _merged(spots: Sequence[Spot], parts: tuple[frozenset[int], ...], lobes: np.ndarray, side: float) -> Spot:
    y, x, area, whole = extent(lobes, side)
    return Spot(
        frame=spots[0].frame,
        owners=frozenset().union(*parts),
        parts=parts,
        lobes=lobes,
        y=y,
        x=x,
        area=area,
        area_whole=whole,
        border=any(spot.border for spot in spots),
    )


def _together(spots: list[Spot], side: float, mistakes: Mistakes, rng: np.random.Generator) -> list[Spot]:
    """Return bodies of a frame of which some near ones are taken for one."""
    left = list(spots)
    i = 0
    while i < len(left):
        j = i + 1
        while j < len(left):
            one, other = left[i], left[j]
            near = abs(one.y - other.y) + abs(one.x - other.x) < 4 * (one.diameter + other.diameter)
            if (
                near
                and not one.owners & other.owners
                and gap_between(one.lobes, other.lobes) < mistakes.reach
                and rng.random() < mistakes.joined
            ):
                lobes = np.concatenate([one.lobes, other.lobes])
                left[i] = _merged([one, other], one.parts + other.parts, lobes, side)
                del left[j]
            else:
                j += 1
        i += 1
    return left


def _cut(spot: Spot, side: float, mistakes: Mistakes, rng: np.random.Generator) -> list[Spot]:
    """Return a body, or its two spheres where it is cut: both own all of its particles."""
    lobes = spot.lobes
    necked = len(lobes) == 2 and np.hypot(*(lobes[0, :2] - lobes[1, :2])) > 0.8 * lobes[:, 2].sum()
    if not necked or rng.random() >= mistakes.cut:
        return [spot]
    halves = [_merged([spot], spot.parts, lobe[None], side) for lobe in lobes]
    return [half for half in halves if half.area > 0]
