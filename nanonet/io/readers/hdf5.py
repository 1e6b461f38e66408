"""Frames of a data set in an HDF5 file, whichever of its axes is the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nanonet.io.readers.frames import require_plausible
from nanonet.io.readers.hdf5_heap import require_sound_heaps
from nanonet.io.readers.recording import Layout

_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class Hdf5Frames:
    """Frames of the data set ``key``, read in blocks of ``block`` frames, of which the last one is kept.

    A block is a chunk of the file, so that no chunk is unpacked twice in a pass through the movie.

    Parameters
    ----------
    order
        The axes of the data set that are t (None for one image), y and x; all others have length 1.
    """

    path: Path
    key: str
    order: tuple[int | None, int, int]
    shape: tuple[int, int, int]
    block: int

    def __getitem__(self, index: int) -> np.ndarray:
        first = index // self.block * self.block
        last = min(first + self.block, self.shape[0])
        when = self.path.stat().st_mtime_ns
        block = _read_block(self.path, when, self.key, self.order, (first, last))
        frame: np.ndarray = block[index - first]
        return frame


@lru_cache(maxsize=1)
def _read_block(
    path: Path, when: int, key: str, order: tuple[int | None, int, int], span: tuple[int, int]
) -> np.ndarray:
    """Read frames ``span`` (from, to) as (t, y, x); ``when`` the file was written is part of the memory."""
    t, y, x = order
    with h5py.File(path, "r") as file:
        data = file[key]
        selection = tuple(slice(*span) if axis == t else slice(None) for axis in range(data.ndim))
        values: np.ndarray = data[selection]
    rest = [axis for axis in range(values.ndim) if axis not in (t, y, x)]
    front = rest if t is None else [*rest, t]
    moved = values.transpose(*front, y, x)
    return moved.reshape(span[1] - span[0], *moved.shape[-2:])


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file to look at what it describes."""
    require_sound_heaps(path)
    with h5py.File(path, "r") as file:
        yield file


def hdf5_frames(path: Path, data: h5py.Dataset, found: Layout) -> Hdf5Frames:
    """Return the lazy frames of a data set, after a look at whether the file can hold them."""
    require_plausible(path.name, found.shape, data.dtype, path.stat().st_size)
    frame_bytes = found.shape[1] * found.shape[2] * data.dtype.itemsize
    fitting = max(1, _BLOCK_BYTES // frame_bytes)
    block = 1
    if found.t is not None and data.chunks:
        block = data.chunks[found.t] if data.chunks[found.t] <= 4 * fitting else 1
    elif found.t is not None and found.t > min(found.y, found.x):
        block = fitting
    return Hdf5Frames(
        path=path, key=data.name, order=(found.t, found.y, found.x), shape=found.shape, block=block
    )


def attribute(attributes: Mapping[str, Any], name: str) -> Any:
    """Return an attribute as a plain value, None where it is missing or void."""
    value = attributes.get(name)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return value.ravel()[0] if value.size else None
    return None if isinstance(value, h5py.Empty) else value
