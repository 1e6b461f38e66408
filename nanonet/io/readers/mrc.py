"""MRC images and stacks: the header as mrcfile describes it, frames from their offset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from mrcfile.utils import byte_order_from_machine_stamp, dtype_from_mode

from nanonet.io.readers.frames import RawFrames
from nanonet.io.readers.recording import Recording
from nanonet.io.readers.units import positive
from nanonet.records import InputError

SECTIONS = "its z sections are read as frames"


def open_file(path: Path, dataset: str | None) -> Recording:
    """Read the header of an MRC file; its sections are taken as frames in time."""
    del dataset
    header = _header(path)
    dtype = dtype_from_mode(int(header["mode"])).newbyteorder(header.dtype["mode"].byteorder)
    shape = (int(header["nz"]), int(header["ny"]), int(header["nx"]))
    offset = HEADER_DTYPE.itemsize + int(header["nsymbt"])
    _require_usual_axes(path, header)
    # Before 2000 the format had no mark: such a file is believed where its size is just what it says.
    named = bytes(header["map"])[:3] == b"MAP"
    if not named and path.stat().st_size != offset + int(np.prod(shape, dtype=object)) * dtype.itemsize:
        raise ValueError("it has neither the mark nor the size of an MRC file")
    frames = RawFrames(path=path, offset=offset, shape=shape, dtype=dtype)
    if min(shape[1:]) < 2:
        raise InputError(f"{path.name} has sections of {shape[1]} x {shape[2]} pixels, not images")
    volume = int(header["ispg"]) == 1 and shape[0] == shape[1] == shape[2]
    note = f"stored as a 3D volume {shape} (space group 1): {SECTIONS}"
    notes = (note,) if volume else ()
    return Recording(frames=frames, shape=shape, dtype=dtype, pixel=_pixel(header), notes=notes)


def _require_usual_axes(path: Path, header: np.ndarray) -> None:
    """Refuse a file whose columns, rows and sections are not along x, y and z; old files do not say (0)."""
    order = tuple(int(header[name]) for name in ("mapc", "mapr", "maps"))
    if order not in ((1, 2, 3), (0, 0, 0)):
        along = ", ".join("xyz"[axis - 1] if 1 <= axis <= 3 else "?" for axis in order)
        raise InputError(
            f"{path.name} has its columns, rows and sections along {along} (MAPC, MAPR, MAPS in its header): "
            "save it with x, y, z"
        )


def _header(path: Path) -> np.ndarray:
    """Return the main header in the byte order that its machine stamp, or else its size, tells."""
    with path.open("rb") as file:
        head = file.read(HEADER_DTYPE.itemsize)
    header = np.frombuffer(head, HEADER_DTYPE, count=1)[0]
    try:
        order = byte_order_from_machine_stamp(header["machst"])
    except ValueError:
        order = "<" if header["nx"].astype("<i4") < 2**16 else ">"
    ordered: np.ndarray = np.frombuffer(head, HEADER_DTYPE.newbyteorder(order), count=1)[0]
    return ordered


def _pixel(header: np.ndarray) -> tuple[float, float] | None:
    """Return Å along y and x: the cell's edge over the number of samples in it."""
    along = [
        positive(float(header["cella"][axis]) / int(header[count]) if header[count] else None)
        for axis, count in (("y", "my"), ("x", "mx"))
    ]
    return None if along[0] is None or along[1] is None else (along[0], along[1])
