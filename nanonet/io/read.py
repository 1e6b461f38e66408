"""Microscope files to a lazy `Series`: the one entry for all formats."""

from __future__ import annotations

import dataclasses
import math
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float

from nanonet.io.errors import reading
from nanonet.io.one_movie import one_movie
from nanonet.io.readers.find_files import FORMATS, find_files, listed
from nanonet.io.readers.recording import Recording
from nanonet.io.readers.resample import SAME_WITHIN, SquareGrid, square_grid
from nanonet.io.readers.select_frames import select_frames
from nanonet.records import InputError, Modality, Series, Stack

_ONE_AT_A_TIME = threading.Lock()
"""Open files have one position each, and HDF5 is not for threads."""
_NAMELESS = ("tia", "mrc", "tif", "pictures")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What the user says about the images; None takes it from the file.

    ``pixel_size`` [Å] or "px", ``energy`` [eV], ``dose`` [e/Å² a frame], ``frame_time`` [s].
    """

    pixel_size: float | Literal["px"] | None = None
    modality: Modality | None = None
    energy: float | None = None
    dose: float | None = None
    frame_time: float | None = None


@dataclass(frozen=True, kw_only=True)
class LazyFrames:
    """The selected frames of a file on square pixels; each is read, as float32, when it is asked for."""

    path: Path
    recording: Recording
    indices: range
    grid: SquareGrid | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> Float[np.ndarray, "y x"]:
        stored = self.indices[index]
        with _ONE_AT_A_TIME, reading(self.path):
            image = np.asarray(self.recording.frames[stored])
            if image.shape != self.recording.shape[1:]:
                raise InputError(f"{self.path.name} is damaged: frame {stored} has shape {image.shape}")
            single = np.ascontiguousarray(image, dtype=np.float32)
            return single if self.grid is None else self.grid.resample(single)


def read_series(
    input: str | Path | Sequence[str],  # noqa: A002 - the name that the user types
    *,
    pixel_size: float | Literal["px"] | None = None,
    modality: Modality | None = None,
    energy: float | None = None,
    dose: float | None = None,
    frame_time: float | None = None,
    frames: str | None = None,
    dataset: str | None = None,
    movie: bool = False,
) -> Series:
    """Open the images or the movie of a microscope; frames are read from disk one at a time, later.

    Parameters
    ----------
    input
        A file, a folder or a pattern (``*.dm4``), or several of these. Of more than one file each is a stack
        of the series, in natural order. Formats: dm3, dm4, emd (Velox, NCEM), ser and emi, mrc, tif, hspy,
        npy, npz, png, jpg, bmp.
    pixel_size
        Å along y and x, "px" to measure in pixels; None takes it from each file.
    modality, energy, dose, frame_time
        How it was recorded; eV, e/Å² a frame, s. None takes it from the file, as far as that says it.
    frames
        Which frames, as a slice of the whole series: "10:200:2", "5".
    dataset
        Which of the images in a file that holds several.
    movie
        Whether the images of a folder are the frames of one movie, in natural order.

    Raises
    ------
    InputError
        One line, if nothing can be read, the content is no image (spectrum, diffraction pattern, 4D-STEM,
        colour), the pixel size is known neither from the file nor from the user, or a frame turns out to be
        damaged when it is read.
    """
    said = _checked(
        Calibration(pixel_size=pixel_size, modality=modality, energy=energy, dose=dose, frame_time=frame_time)
    )
    name, paths, ignored = find_files(input)
    stacks = [_stack(path, said, dataset) for path in paths]
    if ignored:
        note = f"ignored beside the images: {listed(ignored)}"
        stacks = [dataclasses.replace(stack, notes=(*stack.notes, note)) for stack in stacks]
    series = Series(name=name, stacks=_told_apart(stacks))
    some = series if frames is None else select_frames(series, str(frames))
    return one_movie(some) if movie else some


def _told_apart(stacks: Sequence[Stack]) -> tuple[Stack, ...]:
    """Return the stacks with names of their own: of files named alike, as much of the path as differs."""
    names = Counter(stack.name for stack in stacks)
    alike = [Path(str(stack.path)).absolute() for stack in stacks if names[stack.name] > 1]
    if not alike:
        return tuple(stacks)
    common = Path(os.path.commonpath([path.parent for path in alike]))
    again = Counter(alike).most_common(1)[0]
    if again[1] > 1:
        raise InputError(f"{again[0].name} is given {again[1]} times")
    return tuple(
        dataclasses.replace(stack, name=Path(str(stack.path)).absolute().relative_to(common).as_posix())
        if names[stack.name] > 1
        else stack
        for stack in stacks
    )


def _stack(path: Path, said: Calibration, dataset: str | None) -> Stack:
    """Open one file: its frames on square pixels and its calibration, or what the user says instead."""
    recording = _open(path, dataset)
    pixel_size, grid, note = _pixels(path.name, recording, said.pixel_size)
    frames = LazyFrames(path=path, recording=recording, indices=range(recording.shape[0]), grid=grid)
    shape = recording.shape if grid is None else (recording.shape[0], *grid.shape)
    return Stack(
        frames=frames,
        shape=shape,
        name=path.name,
        path=str(path),
        pixel_size=pixel_size,
        modality=said.modality or recording.modality,
        energy=said.energy or recording.energy,
        dose=said.dose,
        frame_time=said.frame_time or recording.frame_time,
        notes=(*recording.notes, note) if note else recording.notes,
    )


def _open(path: Path, dataset: str | None) -> Recording:
    with reading(path):
        if not path.is_file():
            raise InputError(f"{path.name} is not a file: {path}")
        if path.stat().st_size == 0:
            raise InputError(f"{path.name} is empty (0 bytes)")
        module = FORMATS[path.suffix.lower()]
        if dataset is not None and (module in _NAMELESS or path.suffix.lower() == ".npy"):
            raise InputError(f"{path.name} does not hold data sets by name: leave out read.dataset={dataset}")
        open_file: Callable[[Path, str | None], Recording] = import_module(
            f"nanonet.io.readers.{module}"
        ).open_file
        recording = open_file(path, dataset)
    _refuse_types(path.name, recording.dtype)
    return recording


def _refuse_types(name: str, dtype: np.dtype) -> None:
    if dtype.kind == "c" or {"realFloat", "realFloatHalfEven"} & set(dtype.names or ()):
        raise InputError(f"{name} is complex (a wave or a Fourier transform): give its intensity")
    if {"R", "G", "B"} <= set(dtype.names or ()):
        raise InputError(f"{name} is a colour picture (RGB): convert it to grey")
    if dtype.kind not in "biuf":
        raise InputError(f"{name} holds {dtype} values, not the numbers of an image")


def _pixels(
    name: str, recording: Recording, said: float | Literal["px"] | None
) -> tuple[float | None, SquareGrid | None, str | None]:
    """Return the pixel size [Å], the grid of square pixels where the file's are not, and a note."""
    found = recording.pixel
    if said is not None:
        size = None if said == "px" else float(said)
        return size, None, _differs(found, size)
    if found is None:
        raise InputError(
            f"{name} does not say its pixel size: give read.pixel_size=0.2 (Å), "
            "or read.pixel_size=px to measure in pixels"
        )
    grid = square_grid(name, recording.shape[1:], found)
    if grid is None:
        return math.sqrt(found[0] * found[1]), None, None
    note = f"pixels {found[0]:.4g} x {found[1]:.4g} Å resampled to {min(found):.4g} Å squares"
    return min(found), grid, note


def _differs(found: tuple[float, float] | None, size: float | None) -> str | None:
    """Return a note where the user's pixel size [Å] is not the file's."""
    if found is None or (size and all(abs(one / size - 1) <= SAME_WITHIN for one in found)):
        return None
    given = f"{size:.4g} Å" if size else "px"
    return f"pixel size {given} as given; the file says {found[0]:.4g} x {found[1]:.4g} Å"


def _checked(said: Calibration) -> Calibration:
    if said.modality is not None and said.modality not in get_args(Modality):
        known = ", ".join(get_args(Modality))
        raise InputError(f"read.modality must be one of {known}, got {said.modality!r}")
    energy = _number("energy", said.energy, "eV")
    if energy is not None and energy < 1e3:
        raise InputError(f"read.energy is in eV, got {energy:g}: for {energy:g} kV give {energy * 1e3:g}")
    in_pixels = said.pixel_size == "px"
    return dataclasses.replace(
        said,
        pixel_size="px" if in_pixels else _number("pixel_size", said.pixel_size, "Å (or px)"),
        energy=energy,
        dose=_number("dose", said.dose, "e/Å²"),
        frame_time=_number("frame_time", said.frame_time, "s"),
    )


def _number(name: str, value: Any, unit: str) -> float | None:
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"read.{name} must be a positive number in {unit}, got {value!r}")
    return number
