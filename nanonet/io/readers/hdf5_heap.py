"""A look at the text heaps of an HDF5 file before the HDF5 library walks through them.

The library goes round for ever in a damaged heap whose free space has length 0, where no exception and no
timeout in Python can reach it, and it sets aside as much memory as a heap claims.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from nanonet.records import InputError

_START = b"GCOL\x01\x00\x00\x00"
_HEADER = 16
_LOOKED_AT = 2**25


def require_sound_heaps(path: Path) -> None:
    """Raise an `InputError` where a heap of texts, within 32 MB from the start or the end, has no end.

    The layout is that of the HDF5 File Format Specification, III.E (global heap): after signature, version
    and size come objects of 16 bytes (index, references, size) and their data, up to a multiple of 8;
    object 0 is the free space, and its size includes those 16 bytes.
    """
    size = path.stat().st_size
    if size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for start in _heaps(data, size):
            length = _number(data, start + 8)
            if start + length > size or _goes_round(data, start, length):
                raise InputError(f"{path.name} is damaged: a heap of its texts has no end")


def _heaps(data: mmap.mmap, size: int) -> Iterator[int]:
    spans = [(0, size)] if size <= 2 * _LOOKED_AT else [(0, _LOOKED_AT), (size - _LOOKED_AT, size)]
    for first, last in spans:
        found = data.find(_START, first, last)
        while found >= 0:
            yield found
            found = data.find(_START, found + 1, last)


def _goes_round(data: mmap.mmap, start: int, length: int) -> bool:
    place, end = start + _HEADER, start + length
    while place + _HEADER <= end:
        index, size = _number(data, place, 2), _number(data, place + 8)
        step = size if index == 0 else _HEADER + (size + 7) // 8 * 8
        if step == 0 or step >= 2**63:
            return True
        place += step
    return False


def _number(data: mmap.mmap, place: int, size: int = 8) -> int:
    return int.from_bytes(data[place : place + size], "little")
