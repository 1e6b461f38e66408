"""Movies as mrc and npy, written frame by frame so that memory does not grow."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped

from nanonet.io.atomic import atomic_path
from nanonet.records import InputError

_MRC_TYPES = ("int8", "int16", "uint16", "float32")


def as_stored(frame: Shaped[np.ndarray, "y x"], types: Sequence[str], name: str) -> np.ndarray:
    """Return a frame in a type that a format has, the same for every frame of one type.

    Truth values become uint8 (or the next larger integer), integers wider than the format's become its
    widest, or float32, if that holds them exactly; float64 becomes float32.

    Raises
    ------
    ValueError
        If the frame is not (y, x).
    InputError
        If integers do not fit, or the numbers are not real.
    """
    if frame.ndim != 2:
        raise ValueError(f"a frame of {name} must be (y, x), got shape {frame.shape}")
    if frame.dtype.name in types:
        return frame
    wanted = _nearest_type(frame.dtype, types)
    if wanted is None:
        raise InputError(f"{name} cannot hold {frame.dtype}: convert the frames to {' or '.join(types)}")
    cast = frame.astype(wanted)
    if frame.dtype.kind in "iu" and not np.array_equal(cast.astype(frame.dtype), frame):
        raise InputError(f"{name} holds {wanted} at most, and a frame has {frame.min()} to {frame.max()}")
    return cast


def _nearest_type(dtype: np.dtype, types: Sequence[str]) -> str | None:
    if dtype.kind not in "biuf":
        return None
    safe = [name for name in types if np.can_cast(dtype, name)]
    if safe:
        return safe[0]
    of_kind = [name for name in types if np.dtype(name).kind == dtype.kind and np.dtype(name).itemsize == 4]
    return (of_kind or ["float32"])[-1]


def write_npy(path: str | os.PathLike[str], frames: Iterable[Shaped[np.ndarray, "y x"]]) -> None:
    """Write frames as one NumPy array (t, y, x); the format keeps no pixel size.

    Raises
    ------
    ValueError
        If there is no frame, or the frames differ in shape or type.
    InputError
        If the disk refuses.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        first: np.ndarray | None = None
        count = 0
        for frame in frames:
            if first is None:
                first = frame
                _write_npy_header(file, (1, *frame.shape), frame.dtype)
            require_alike(frame, first, Path(path).name)
            file.write(np.ascontiguousarray(frame).data)
            count += 1
        if first is None:
            raise ValueError(f"there is no frame to write to {Path(path).name}")
        file.seek(0)
        # The header keeps room for a first axis that grew, so that it covers just the same bytes.
        _write_npy_header(file, (count, *first.shape), first.dtype)


def _write_npy_header(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype) -> None:
    description = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": description, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def write_mrc_stack(
    path: str | os.PathLike[str], frames: Iterable[Shaped[np.ndarray, "y x"]], *, pixel_size: float | None
) -> None:
    """Write frames as an MRC2014 image stack.

    The frames are written, not mapped into memory: on a full disk a write fails, a map kills the program.

    Parameters
    ----------
    path
        .mrc or .mrcs.
    frames
        int8, int16, uint16 and float32 are kept; others become the first of these that holds them exactly.
    pixel_size
        Å, or None, which MRC says with 0.

    Raises
    ------
    ValueError
        If there is no frame, or the frames differ in shape or type.
    InputError
        If integers do not fit into float32, or the disk refuses.
    """
    name = Path(path).name
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        first: np.ndarray | None = None
        moments = _Moments()
        for frame in frames:
            stored = as_stored(frame, _MRC_TYPES, name)
            if first is None:
                first = stored
                header = _mrc_header(first, pixel_size)
                file.write(header.tobytes())
            require_alike(stored, first, name)
            file.write(np.ascontiguousarray(stored).data)
            moments.add(stored)
        if first is None:
            raise ValueError(f"there is no frame to write to {name}")
        header.nz = moments.frames
        header.dmin, header.dmax, header.dmean, header.rms = moments.summary()
        file.seek(0)
        file.write(header.tobytes())


def _mrc_header(frame: np.ndarray, pixel_size: float | None) -> np.recarray:
    """Return the header of an image stack of one frame."""
    from mrcfile.mrcinterpreter import MrcInterpreter

    mrc = MrcInterpreter()  # used without a file as its documentation describes
    mrc._create_default_attributes()
    mrc._iostream = io.BytesIO()
    mrc.set_data(frame[None])
    mrc.set_image_stack()
    mrc.voxel_size = pixel_size or 0.0
    header: np.recarray = mrc.header.copy()
    header.label[0] = "nanonet"  # in place of the time, by which equal results would differ
    return header


class _Moments:
    """The minimum, maximum, mean and standard deviation of frames that are seen one after another."""

    def __init__(self) -> None:
        self.frames = 0
        self._low, self._high, self._mean, self._spread, self._count = np.inf, -np.inf, 0.0, 0.0, 0

    def add(self, frame: np.ndarray) -> None:
        """Take one more frame in (the pairwise update of Chan, Golub and LeVeque 1979)."""
        mean, count = float(frame.mean(dtype=np.float64)), self._count + frame.size
        self._low, self._high = min(self._low, float(frame.min())), max(self._high, float(frame.max()))
        step = mean - self._mean
        self._spread += float(frame.var(dtype=np.float64)) * frame.size
        self._spread += step**2 * self._count * frame.size / count
        self._mean += step * frame.size / count
        self._count = count
        self.frames += 1

    def summary(self) -> tuple[float, float, float, float]:
        """Return minimum, maximum, mean and standard deviation."""
        return self._low, self._high, self._mean, float(np.sqrt(self._spread / self._count))


def require_alike(frame: np.ndarray, first: np.ndarray, name: str) -> None:
    """Raise a ValueError if a frame of the file ``name`` differs in shape or type from its first."""
    if (frame.shape, frame.dtype) != (first.shape, first.dtype):
        raise ValueError(
            f"a frame of {name} must be {first.dtype} {first.shape}, got {frame.dtype} {frame.shape}"
        )
