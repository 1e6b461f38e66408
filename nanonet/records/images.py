"""Frames: one, a file of them, a movie or a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from nanonet.records.checks import require_positive
from nanonet.records.errors import InputError

Modality = Literal["HRTEM", "BF-TEM", "HAADF", "ADF", "BF-STEM", "SEM"]
ADDS_UP: tuple[Modality, ...] = ("HAADF", "ADF")
"""Whose intensities add up along a column: incoherent images."""


@runtime_checkable
class Frames(Protocol):
    """A lazy stack of frames: ``frames[i]`` reads frame i as a float32 array (y, x)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Float[np.ndarray, "y x"]: ...


@dataclass(frozen=True, kw_only=True)
class Micrograph:
    """One frame, read into memory.

    Parameters
    ----------
    image
        Intensities as the file gives them (no normalisation), float32, (y, x).
    name
        File name of the image or movie it comes from.
    frame
        Index of the frame in its series, from 0.
    pixel_size
        Å per pixel along y and x, or None where lengths are measured in pixels.
    modality
        How it was recorded, None where unknown.
    energy
        Beam energy [eV].
    dose
        Electrons per Å² in this frame.
    frame_time
        Seconds between the starts of two frames.
    movie
        The movie that it is a frame of, None where it stands alone.
    """

    image: Float[np.ndarray, "y x"]
    name: str
    frame: int = 0
    pixel_size: float | None = None
    modality: Modality | None = None
    energy: float | None = None
    dose: float | None = None
    frame_time: float | None = None
    movie: Series | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        require_positive(self, "pixel_size", "Å")
        require_positive(self, "energy", "eV")
        require_positive(self, "dose", "e/Å²")
        require_positive(self, "frame_time", "s")
        if self.image.ndim != 2:
            raise InputError(f"an image must have 2 axes (y, x), got shape {self.image.shape} in {self.name}")

    def around(self, reach: int) -> tuple[Micrograph, ...]:
        """Return 2 · reach + 1 frames in a row, this one in the middle, the others read now.

        Before the first and after the last frame of the movie they come in reverse order; a frame that
        stands alone is its own neighbour.
        """
        if self.movie is None or len(self.movie) == 1:
            return (self,) * (2 * reach + 1)
        frames = [mirrored(self.frame + step, len(self.movie)) for step in range(-reach, reach + 1)]
        return tuple(self if frame == self.frame else self.movie[frame] for frame in frames)


def mirrored(index: int, length: int) -> int:
    """Return which of ``length`` frames stands for an index beyond the ends: -1 is 1, -2 is 2, ...

    Raises
    ------
    ValueError
        If there are fewer than two frames.
    """
    if length < 2:
        raise ValueError(f"a row of {length} frames has no mirror image")
    period = 2 * (length - 1)
    return min(index % period, -index % period)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The frames of one file, read when asked for, with the calibration that the file gives.

    Parameters
    ----------
    frames
        Lazy frames, each float32 (y, x), all of one ``shape``.
    shape
        (t, y, x).
    name
        File name.
    path
        Where the file lies, for provenance; None for arrays that come from no file, or from several.
    parts
        Where those several files lie.
    notes
        What was done on reading that the user should know ("pixels 0.20 x 0.25 Å resampled to 0.20 Å").
    """

    frames: Frames
    shape: tuple[int, int, int]
    name: str
    path: str | None = None
    parts: tuple[str, ...] = ()
    pixel_size: float | None = None
    modality: Modality | None = None
    energy: float | None = None
    dose: float | None = None
    frame_time: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_positive(self, "pixel_size", "Å")
        if len(self.frames) != self.shape[0]:
            raise InputError(f"{self.name} holds {len(self.frames)} frames, its shape says {self.shape[0]}")

    def __len__(self) -> int:
        return self.shape[0]


@dataclass(frozen=True, kw_only=True)
class Series:
    """Frames in order: one movie, or the images of a folder (which may differ in shape and pixel size).

    ``series[i]`` reads frame i as a `Micrograph`; nothing else is held in memory.
    """

    name: str
    stacks: tuple[Stack, ...]

    def __post_init__(self) -> None:
        if not len(self):
            raise InputError(f"{self.name} holds no frames")

    def __len__(self) -> int:
        return sum(len(stack) for stack in self.stacks)

    def __getitem__(self, index: int) -> Micrograph:
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        stack, local = self.locate(index)
        return Micrograph(
            image=stack.frames[local],
            name=stack.name,
            frame=index,
            pixel_size=stack.pixel_size,
            modality=stack.modality,
            energy=stack.energy,
            dose=stack.dose,
            frame_time=stack.frame_time,
            movie=self if self.is_movie else None,
        )

    def __iter__(self) -> Iterator[Micrograph]:
        return (self[i] for i in range(len(self)))

    def locate(self, index: int) -> tuple[Stack, int]:
        """Return the stack that holds frame ``index``, and the frame's index in that stack."""
        for stack in self.stacks:
            if index < len(stack):
                return stack, index
            index -= len(stack)
        raise IndexError(index)

    @property
    def is_movie(self) -> bool:
        """Whether the frames follow each other in time: one file of several frames."""
        return len(self.stacks) == 1 and len(self) > 1

    @property
    def is_folder(self) -> bool:
        """Whether the frames are files of a folder or glob, rather than those of one named file."""
        return len(self.stacks) > 1 or self.name != self.stacks[0].name

    @property
    def pixel_size(self) -> float | None:
        """The pixel size that all frames share [Å]; an `InputError` where they differ."""
        sizes = {stack.pixel_size for stack in self.stacks}
        if len(sizes) > 1:
            raise InputError(f"the images of {self.name} differ in pixel size: {sorted(map(str, sizes))} Å")
        return sizes.pop()
