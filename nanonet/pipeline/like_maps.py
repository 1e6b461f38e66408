"""Kinds whose maps turn out alike are one kind; their classes are joined where they are small enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Int

from nanonet.pipeline.maps import ClassMap
from nanonet.pipeline.retired import renumbered
from nanonet.reconstruct.likeness import Likeness

_SIZES = 1.2
"""Ratio of the sizes of maps that particles of one kind, of two classes, may have."""


@dataclass(frozen=True, kw_only=True)
class LikeKinds:
    """Kinds from 1, each mapped to the kind that it is one with, mostly itself, and why, in words."""

    kind_of: dict[int, int]
    said: tuple[str, ...]


def like_kinds(maps: Sequence[ClassMap], likeness: Callable[[ClassMap, ClassMap], Likeness]) -> LikeKinds:
    """Return which kinds are one, by the maps of their largest classes.

    Maps of one point group alone are compared: in doubt kinds stay apart. Those that are alike in shape but
    differ in density, hence in matter, or much in size, are named and stay apart.
    """
    of_kind: dict[int, ClassMap] = {}
    for one in sorted(maps, key=lambda each: -len(each.cuts)):
        of_kind.setdefault(one.kind_id, one)
    kind_of = {kind: kind for kind in of_kind}
    said = []
    for first, second in combinations(sorted(of_kind), 2):
        one, other = of_kind[first], of_kind[second]
        if one.found.point_group != other.found.point_group:
            continue
        like = likeness(one, other)
        if not like.same_shape:
            continue
        same_size = 1 / _SIZES < like.size < _SIZES
        seen = (
            f"kinds {first} and {second}: their maps agree {like.agreement:.2f} at one size, half maps "
            f"{like.halves:.2f}; sizes 1 : {like.size:.2f}, densities 1 : {like.density:.2f}"
        )
        if like.same_matter and same_size:
            kind_of = {kind: kind_of[first] if to == kind_of[second] else to for kind, to in kind_of.items()}
            said.append(f"{seen}; they are one kind")
        else:
            said.append(
                f"{seen}; alike in shape, but of different {'size' if like.same_matter else 'matter'}"
            )
    return LikeKinds(kind_of=kind_of, said=tuple(said))


def joined_classes(
    groups: Int[np.ndarray, " n"], maps: Sequence[ClassMap], kind_of: dict[int, int], *, largest: int
) -> tuple[Int[np.ndarray, " n"], tuple[ClassMap, ...]]:
    """Return classes, those of kinds that are one joined where there are few, and the maps that remain.

    Parameters
    ----------
    groups
        Class of each particle, from 0; -1 for none.
    largest
        Particles of a class that was joined, at most.
    """
    found = groups.copy()
    for one, other in combinations(maps, 2):
        numbers = [found[groups == each.class_id - 1][0] for each in (one, other)]
        alike = one.kind_id != other.kind_id and kind_of[one.kind_id] == kind_of[other.kind_id]
        if alike and numbers[0] != numbers[1] and np.isin(found, numbers).sum() <= largest:
            found[found == numbers[1]] = numbers[0]
    kept = np.unique(found[found >= 0])
    remaining = tuple(
        renumbered(maps[number], place + 1, kind_id=kind_of[maps[number].kind_id])
        for place, number in enumerate(kept)
    )
    return np.where(found >= 0, np.searchsorted(kept, found), -1), remaining
