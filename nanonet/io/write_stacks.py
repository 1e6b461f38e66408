"""Movies as hspy, mrc and npy, written frame by frame so that memory does not grow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped

from nanonet.io.atomic import atomic_path
from nanonet.records import InputError

_HSPY_TYPES = (
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64",
)  # fmt: skip
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
        number, first = 0, None
        for number, frame in enumerate(frames, start=1):
            if first is None:
                first = frame
                _write_npy_header(file, (1, *frame.shape), frame.dtype)
            _require_alike(frame, first, Path(path).name)
            file.write(np.ascontiguousarray(frame).data)
        if first is None:
            raise ValueError(f"there is no frame to write to {Path(path).name}")
        file.seek(0)
        # The header keeps room for a first axis that grew, so that it covers just the same bytes.
        _write_npy_header(file, (number, *first.shape), first.dtype)


def _write_npy_header(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype) -> None:
    description = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": description, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def write_mrc_stack(
    path: str | os.PathLike[str], frames: Iterable[Shaped[np.ndarray, "y x"]], *, pixel_size: float | None
) -> None:
    """Write frames as an MRC2014 image stack.

    The frames are appended with ordinary writes: a file that is mapped into memory kills the program on a
    full disk instead of failing.

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
    import mrcfile

    name = Path(path).name
    with atomic_path(path) as temporary:
        statistics = _Statistics()
        first: np.ndarray | None = None
        for frame in frames:
            stored = as_stored(frame, _MRC_TYPES, name)
            if first is None:
                first = stored
                with mrcfile.new(temporary, overwrite=True) as mrc:
                    mrc.set_data(stored[None])
                    mrc.set_image_stack()
                    mrc.voxel_size = pixel_size or 0.0
                    header = mrc.header.copy()
                file = temporary.open("r+b")
                file.seek(0, os.SEEK_END)
