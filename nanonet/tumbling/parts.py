"""Maps of some of the frames, in the poses that all gave."""

from __future__ import annotations

import numpy as np

from nanonet.records import InputError, Volume
from nanonet.tumbling.boxes import Boxes
from nanonet.tumbling.merge import map_of
from nanonet.tumbling.solved import Solved

_FEWEST = 100


def half_volumes(boxes: Boxes, solved: Solved) -> tuple[Volume, Volume]:
    """Return the maps of both halves, each with half maps of its own, which tell its noise."""
    one, other = (
        map_of(boxes, solved.beliefs, (rows[::2], rows[1::2]), solved.circle)
        for rows in (np.flatnonzero(solved.believed & (solved.halves == half)) for half in (0, 1))
    )
    return one, other


def part_volumes(boxes: Boxes, solved: Solved, parts: int) -> tuple[Volume, ...]:
    """Return the map of each part in time of equal numbers of frames, with half maps.

    The halves of a part are those of the whole.

    Raises
    ------
    InputError
        If a part holds too few frames for a map.
    """
    found = []
    for number, rows in enumerate(np.array_split(np.arange(len(boxes)), parts), start=1):
        used = rows[solved.believed[rows]]
        if len(used) < _FEWEST:
            raise InputError(
                f"part {number} of {parts} has {len(used)} frames whose pose is known, a map needs "
                f"{_FEWEST}: make fewer parts"
            )
        halves = [used[solved.halves[used] == half] for half in (0, 1)]
        found.append(map_of(boxes, solved.beliefs, halves, solved.circle))
    return tuple(found)
