"""MRC images and stacks: the header by mrcfile, frames from their offset."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
from mrcfile.utils import data_dtype_from_header

from nanonet.io.frames import RawFrames
from nanonet.io.recording import Recording
from nanonet.io.units import positive
from nanonet.records import InputError


def open_file(path: Path, dataset: str | None) -> Recording:
    """Read the header of an MRC file; its sections are taken as frames in time."""
    del dataset
    with mrcfile.open(path, permissive=True, header_only=True) as file:
        header = file.header
        dtype = np.dtype(data_dtype_from_header(header))
        shape = (int(header.nz), int(header.ny), int(header.nx))
        offset = int(header.nbytes) + int(header.nsymbt)
        pixel = _pixel(header)
        volume = int(header.ispg) == 1 and shape[0] == shape[1] == shape[2]
        named = bytes(header.map)[:3] == b"MAP"
    # Before 2000 the format had no mark: such a file is believed where its size is just what it says.
    if not named and path.stat().st_size != offset + int(np.prod(shape, dtype=object)) * dtype.itemsize:
        raise ValueError("it has neither the mark nor the size of an MRC file")
    if shape[1] < 2 or shape[2] < 2:
        raise InputError(f"{path.name} has sections of {shape[1]} x {shape[2]} pixels: not images")
    note = f"stored as a 3D volume {shape} (space group 1): its z sections are read as frames"
    return Recording(
        frames=RawFrames(path=path, offset=offset, shape=shape, dtype=dtype),
        shape=shape,
        dtype=dtype,
        pixel=pixel,
        notes=(note,) if volume else (),
    )


def _pixel(header: np.recarray) -> tuple[float, float] | None:
    """Return Å along y and x: the cell's edge over the number of samples in it."""
    along = [
        positive(float(header.cella[axis]) / int(header[count]) if header[count] else None)
        for axis, count in (("y", "my"), ("x", "mx"))
    ]
    return None if along[0] is None or along[1] is None else (along[0], along[1])
