"""NumPy arrays: npy (mapped) and npz (one frame of a member unpacked at a time)."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from nanonet.io.readers.frames import require_bytes, require_plausible
from nanonet.io.readers.recording import Axis, Layout, Recording, choose, layout
from nanonet.io.readers.units import positive
from nanonet.records import InputError

_USUAL = ("frames", "images", "image", "movie", "stack", "data", "arr_0")


@dataclass(frozen=True, kw_only=True)
class NpyFrames:
    """Frames of an npy file, mapped afresh for each."""

    path: Path
    order: tuple[int | None, int, int]

    def __getitem__(self, index: int) -> np.ndarray:
        stored = np.lib.format.open_memmap(self.path, "r")
        t, y, x = self.order
        rest = tuple(axis for axis in range(stored.ndim) if axis not in (t, y, x))
        if t is None:
            return np.array(np.squeeze(stored.transpose(*rest, y, x), tuple(range(len(rest)))))
        return np.array(np.squeeze(stored.transpose(*rest, t, y, x), tuple(range(len(rest))))[index])


@dataclass(frozen=True, kw_only=True)
class NpzFrames:
    """Frames of one array of an npz archive, unpacked one after the other; going back starts anew."""

    path: Path
    member: str
    start: int
    shape: tuple[int, int, int]
    dtype: np.dtype

    def __getitem__(self, index: int) -> np.ndarray:
        _, rows, columns = self.shape
        size = rows * columns * self.dtype.itemsize
        file = _opened(self.path, self.path.stat().st_mtime_ns, self.member)
        file.seek(self.start + index * size)
        data = file.read(size)
        if len(data) < size:
            raise InputError(f"{self.path.name} is cut short at frame {index}")
        return np.frombuffer(data, self.dtype).reshape(rows, columns)


@lru_cache(maxsize=1)
def _opened(path: Path, when: int, member: str) -> IO[bytes]:
    """Open a member once for a pass through its frames; ``when`` the file was written is part of it."""
    return zipfile.ZipFile(path).open(member)


def open_file(path: Path, dataset: str | None) -> Recording:
    """Read the header of an npy file, or of the array of an npz that holds images."""
    return _npz(path, dataset) if path.suffix.lower() == ".npz" else _npy(path)


def _npy(path: Path) -> Recording:
    with path.open("rb") as file:
        shape, _, dtype = _header(file)
        offset = file.tell()
    found = _layout(path.name, shape)
    require_bytes(path, offset, shape, dtype)
    frames = NpyFrames(path=path, order=(found.t, found.y, found.x))
    return Recording(frames=frames, shape=found.shape, dtype=dtype)


def _npz(path: Path, dataset: str | None) -> Recording:
    with zipfile.ZipFile(path) as archive:
        headers = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        read = {name: _member_header(archive, member) for name, member in headers.items()}
        images = {name: (headers[name], *header) for name, header in read.items() if len(header[0]) >= 2}
        asked = _usual(images) if dataset is None else dataset
        member, shape, fortran, dtype, start = choose(path.name, images, asked)
        info = archive.getinfo(member)
        pixel = _pixel(archive, read)
    if fortran:
        raise InputError(f"{path.name} holds {member} in Fortran order: save it with np.ascontiguousarray")
    found = _layout(path.name, shape)
    require_plausible(path.name, found.shape, dtype, info.compress_size)
    if info.file_size < start + int(np.prod(shape, dtype=object)) * dtype.itemsize:
        raise InputError(f"{path.name} is cut short or damaged: {member} does not hold its {shape} pixels")
    frames = NpzFrames(path=path, member=member, start=start, shape=found.shape, dtype=dtype)
    return Recording(frames=frames, shape=found.shape, dtype=dtype, pixel=pixel)


def _member_header(archive: zipfile.ZipFile, member: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    with archive.open(member) as file:
        shape, fortran, dtype = _header(file)
        return shape, fortran, dtype, file.tell()


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _usual(images: dict[str, Any]) -> str | None:
    """Return the one array that goes by a usual name, None where that does not decide."""
    usual = [name for name in images if name in _USUAL]
    return usual[0] if len(usual) == 1 and len(images) > 1 else None


def _pixel(archive: zipfile.ZipFile, read: dict[str, Any]) -> tuple[float, float] | None:
    """Return Å along y and x from a number saved as ``pixel_size`` or ``pixel_size_angstrom``."""
    for name in ("pixel_size", "pixel_size_angstrom"):
        if name in read and np.prod(read[name][0], dtype=object) == 1:
            with archive.open(f"{name}.npy") as file:
                value = positive(np.lib.format.read_array(file, allow_pickle=False).ravel()[0])
            return None if value is None else (value, value)
    return None


def _layout(name: str, shape: tuple[int, ...]) -> Layout:
    if len(shape) == 3 and shape[-1] in (3, 4) and min(shape[:2]) > 4:
        raise InputError(f"{name} has {shape[-1]} colour channels, shape {shape}: convert it to grey")
    return layout(name, [Axis(size=size) for size in shape])
