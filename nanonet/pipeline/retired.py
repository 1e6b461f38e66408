"""Classes that lost so many particles that no map can be made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int

from nanonet.pipeline.maps import ClassMap


def retired(
    groups: Int[np.ndarray, " n"], maps: Sequence[ClassMap], *, smallest: int
) -> tuple[Int[np.ndarray, " n"], tuple[ClassMap, ...], tuple[str, ...]]:
    """Return classes and maps, numbered anew, without those of fewer than ``smallest``, and what was said.

    Parameters
    ----------
    groups
        Class of each particle, from 0; -1 for none.
    maps
        One a class, in their order.
    """
    count = np.bincount(groups[groups >= 0], minlength=len(maps))
    kept = np.flatnonzero(count >= smallest)
    number = np.full(len(maps) + 1, -1)  # the last is of no class
    number[kept] = np.arange(len(kept))
    said = tuple(
        f"class {one.class_id} lost so many particles that {left} are left, too few for a map "
        f"(at least {smallest}); the classes after it are numbered anew"
        for one, left in zip(maps, count, strict=True)
        if left < smallest
    )
    return number[groups], tuple(renumbered(maps[int(own)], new + 1) for new, own in enumerate(kept)), said


def renumbered(one: ClassMap, class_id: int, *, kind_id: int | None = None) -> ClassMap:
    """Return a class with another number, and of another kind where that is given."""
    poses = replace(
        one.found.orientations, class_ids=np.full_like(one.found.orientations.class_ids, class_id)
    )
    return replace(
        one,
        class_id=class_id,
        kind_id=one.kind_id if kind_id is None else kind_id,
        found=replace(one.found, orientations=poses),
    )
