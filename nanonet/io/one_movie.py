"""A movie that was saved as one file a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError, Series, Stack

_SAME = {
    "shape": "size",
    "pixel_size": "pixel size",
    "modality": "modality",
    "energy": "beam energy",
}


@dataclass(frozen=True)
class FramesOfFiles:
    """The frames of several files, one after the other; each is read when it is asked for."""

    stacks: tuple[Stack, ...]

    def __len__(self) -> int:
        return len(self.stacks)

    def __getitem__(self, index: int, /) -> Float[np.ndarray, "y x"]:
        image: Float[np.ndarray, "y x"] = self.stacks[index].frames[0]
        return image


def one_movie(series: Series) -> Series:
    """Return the images of a folder as the frames of one movie, in their order.

    Raises
    ------
    InputError
        If a file holds several frames, or if images differ in their size or in how they were recorded.
    """
    stacks = series.stacks
    long = next((stack for stack in stacks if len(stack) > 1), None)
    if long is not None:
        raise InputError(
            f"{long.name} holds {len(long)} frames: read.movie=true is for movies of one file a frame"
        )
    for name, what in _SAME.items():
        _require_same(stacks, name, what)
    first = stacks[0]
    return Series(
        name=series.name,
        stacks=(
            replace(
                first,
                frames=FramesOfFiles(stacks),
                shape=(len(stacks), *first.shape[1:]),
                name=series.name,
                path=None,
                parts=tuple(str(stack.path) for stack in stacks if stack.path is not None),
                notes=tuple(dict.fromkeys(note for stack in stacks for note in stack.notes)),
            ),
        ),
    )


def _require_same(stacks: Sequence[Stack], name: str, what: str) -> None:
    for stack in stacks[1:]:
        if getattr(stack, name) != getattr(stacks[0], name):
            raise InputError(
                f"frames of one movie must have the same {what}: {stacks[0].name} has "
                f"{getattr(stacks[0], name)}, {stack.name} {getattr(stack, name)}"
            )
