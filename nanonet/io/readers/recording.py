"""What a file holds, as its format tells it: frames as stored, how its axes lie, its calibration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from nanonet.io.readers.units import angstrom, is_energy, is_reciprocal, seconds, tidy
from nanonet.records import InputError, Modality

T = TypeVar("T")


@runtime_checkable
class StoredFrames(Protocol):
    """Frames of one file as they are stored: ``frames[i]`` reads an array (y, x) of any real type."""

    def __getitem__(self, index: int, /) -> np.ndarray: ...


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The frames and the calibration of one file.

    Parameters
    ----------
    shape
        (t, y, x).
    dtype
        As stored.
    pixel
        Å along y and x; None where the file does not say.
    energy
        Beam energy [eV].
    frame_time
        Seconds between the starts of two frames.
    """

    frames: StoredFrames
    shape: tuple[int, int, int]
    dtype: np.dtype
    pixel: tuple[float, float] | None = None
    modality: Modality | None = None
    energy: float | None = None
    frame_time: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a stored array; ``scale`` is the step between its samples in ``unit``."""

    size: int
    name: str = ""
    scale: float | None = None
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which axes of a stored array are t (None for one image), y and x, and what they mean.

    ``shape`` is (t, y, x); ``pixel`` [Å] along y and x; ``frame_time`` [s].
    """

    t: int | None
    y: int
    x: int
    shape: tuple[int, int, int]
    pixel: tuple[float, float] | None
    frame_time: float | None


def layout(name: str, axes: Sequence[Axis]) -> Layout:
    """Find the image axes of an array by their names, else take the last two.

    Raises
    ------
    InputError
        If the array is a spectrum, a spectrum image, a diffraction pattern, or has four or more axes.
    """
    _refuse_spectra(name, axes)
    long = [i for i, axis in enumerate(axes) if axis.size != 1]
    kept = long if len(long) >= 2 else list(range(len(axes)))[-2:]
    if len(kept) > 3:
        shape = tuple(axes[i].size for i in kept)
        raise InputError(f"{name} holds data of {len(kept)} axes {shape} (4D-STEM?), not images or a movie")
    y, x = _image_axes(axes, kept)
    if min(axes[y].size, axes[x].size) < 2:
        raise InputError(f"{name} holds a line of {max(axes[y].size, axes[x].size)} values, not an image")
    _refuse_diffraction(name, axes[y], axes[x])
    t = next((i for i in kept if i not in (y, x)), None)
    frames = 1 if t is None else axes[t].size
    return Layout(
        t=t,
        y=y,
        x=x,
        shape=(frames, axes[y].size, axes[x].size),
        pixel=_pixel(axes[y], axes[x]),
        frame_time=None if t is None else seconds(axes[t].scale, axes[t].unit),
    )


def _refuse_spectra(name: str, axes: Sequence[Axis]) -> None:
    for axis in axes:
        if is_energy(axis.unit) or re.search("energy|wavelength", axis.name, re.IGNORECASE):
            what = f"{axis.name or 'energy'} axis of {axis.size} channels in {tidy(axis.unit) or 'no unit'}"
            raise InputError(f"{name} is a spectrum or a spectrum image ({what}), not an image")
    if len(axes) < 2:
        raise InputError(f"{name} holds 1-D data of {[axis.size for axis in axes]} values, not an image")


def _refuse_diffraction(name: str, *axes: Axis) -> None:
    for axis in axes:
        if is_reciprocal(axis.unit):
            raise InputError(f"{name} is a diffraction pattern ({tidy(axis.unit)}), not an image")


def _image_axes(axes: Sequence[Axis], kept: list[int]) -> tuple[int, int]:
    """Return the indices of y and x: those named so, else the last two that are not a time."""
    named = {axes[i].name.strip().lower(): i for i in kept}
    for y, x in (("y", "x"), ("height", "width")):
        if y in named and x in named:
            return named[y], named[x]
    spatial = [i for i in kept if seconds(1.0, axes[i].unit) is None]
    y_, x_ = (spatial if len(spatial) >= 2 else kept)[-2:]
    return y_, x_


def _pixel(y: Axis, x: Axis) -> tuple[float, float] | None:
    along_y, along_x = angstrom(y.scale, y.unit), angstrom(x.scale, x.unit)
    return None if along_y is None or along_x is None else (along_y, along_x)


def choose(name: str, candidates: Mapping[str, T], dataset: str | None) -> T:
    """Return the data set that is asked for, or the only one.

    Raises
    ------
    InputError
        If none has that name, or several are there and none is asked for; the names are listed.
    """
    listed = ", ".join(candidates) or "none"
    if dataset is not None:
        if dataset not in candidates:
            raise InputError(f"{name} has no data set {dataset!r}; it holds {listed}")
        return candidates[dataset]
    if not candidates:
        raise InputError(f"{name} holds no image")
    if len(candidates) > 1:
        raise InputError(f"{name} holds several data sets: choose one with read.dataset=NAME of {listed}")
    return next(iter(candidates.values()))


def unique(names: Sequence[str]) -> list[str]:
    """Return the names with #2, #3 after those that come again."""
    return [
        text if text not in names[:i] else f"{text}#{names[:i].count(text) + 1}"
        for i, text in enumerate(names)
    ]


def detected_by(*texts: object, scanning: bool = True) -> Modality | None:
    """Return the modality that the name of a detector or image states, else None."""
    text = " ".join(str(item) for item in texts if item)
    if re.search(r"HAADF", text, re.IGNORECASE):
        return "HAADF"
    if re.search(r"(?<![A-Za-z])(ADF|LAADF|MAADF|DF\d*(-\w)?)(?![A-Za-z])", text) and scanning:
        return "ADF"
    if re.search(r"(?<![A-Za-z])BF(?![A-Za-z])", text) and scanning:
        return "BF-STEM"
    return None
