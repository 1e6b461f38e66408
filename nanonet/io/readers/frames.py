"""Frames read one at a time from uncompressed data in a file, whose handle is never held."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanonet.records import InputError


@dataclass(frozen=True, kw_only=True)
class RawFrames:
    """Equal frames that lie one after the other from ``offset`` on, in C order.

    Parameters
    ----------
    offset
        Of the first frame [byte].
    shape
        (t, y, x).
    dtype
        As stored, with its byte order.

    Raises
    ------
    InputError
        If the file is too short for what it says it holds.
    """

    path: Path
    offset: int
    shape: tuple[int, int, int]
    dtype: np.dtype

    def __post_init__(self) -> None:
        require_bytes(self.path, self.offset, self.shape, self.dtype)

    def __getitem__(self, index: int) -> np.ndarray:
        _, rows, columns = self.shape
        start = self.offset + index * rows * columns * self.dtype.itemsize
        return read_array(self.path, start, (rows, columns), self.dtype)


def read_array(path: Path, offset: int, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """Read one array (y, x) that begins at byte ``offset``; an `InputError` where the file ends before it."""
    count = shape[0] * shape[1]
    values = np.fromfile(path, dtype=dtype, count=count, offset=offset)
    if values.size < count:
        raise InputError(f"{path.name} is cut short: a frame has {values.size} of its {count} pixels")
    return values.reshape(shape)


def require_bytes(path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Raise an `InputError` where a file is too short for an array of ``shape`` from ``offset`` on."""
    if min(shape) < 1 or offset < 0:
        raise InputError(f"{path.name} is damaged: it claims an array of shape {shape} at byte {offset}")
    needed = offset + int(np.prod(shape, dtype=object)) * dtype.itemsize
    size = path.stat().st_size
    if size < needed:
        raise InputError(
            f"{path.name} is cut short or damaged: {shape} pixels need {needed} bytes, the file has {size}"
        )


# Deflate cannot pack more than 1032:1; other packers do better only on frames that are empty.
_BEST_PACKING = 5000
_MOST_PIXELS = 2**30


def require_plausible(name: str, shape: tuple[int, int, int], dtype: np.dtype, stored: int) -> None:
    """Raise an `InputError` where a packed file of ``stored`` bytes claims a frame that it cannot hold."""
    pixels = shape[1] * shape[2]
    if pixels > _MOST_PIXELS or pixels * dtype.itemsize > _BEST_PACKING * max(stored, 1):
        raise InputError(
            f"{name} is damaged: it claims frames of {shape[1]} x {shape[2]} pixels in {stored} bytes"
        )
