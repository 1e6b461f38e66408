"""Pages of a TIFF that are packed or scattered in the file, unpacked one at a time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from nanonet.io.readers.pictures import equal_channels, grey
from nanonet.records import InputError

_LOCK = threading.Lock()
# tifffile by itself unpacks deflate (two codes) and LZMA; Pillow does LZW, JPEG, packbits, and palettes.
_UNPACKED_BY_TIFFFILE = (1, 8, 32946, 34925)
_PALETTE = 3
_FLOATING_POINT_PREDICTOR = 3


@dataclass(frozen=True, kw_only=True)
class TifPages:
    """Frames that are a page each, or ``planes`` to a page."""

    path: Path
    pages: tuple[int, ...]
    planes: int = 1

    def __getitem__(self, index: int) -> np.ndarray:
        page, plane = divmod(index, self.planes)
        with _LOCK:
            values = _page(self.path, self.pages[page])
        if self.planes > 1:
            chosen: np.ndarray = values.reshape(self.planes, *values.shape[-2:])[plane]
            return chosen
        if values.ndim == 3 and values.shape[0] in (3, 4) and values.shape[-1] not in (3, 4):
            values = np.moveaxis(values, 0, -1)  # colours stored as planes
        return equal_channels(self.path.name, values) if values.ndim == 3 else values


def _page(path: Path, number: int) -> np.ndarray:
    when = path.stat().st_mtime_ns
    file = _opened(path, when)
    page = file.pages[number]
    parts = zip(page.dataoffsets, page.databytecounts, strict=True)
    if any(count < 1 or offset + count > file.filehandle.size for offset, count in parts):
        raise InputError(f"{path.name} is cut short: page {number} lies beyond its end")
    if _needs_pillow(page):
        picture = _picture(path, when)
        picture.seek(number)
        return grey(path.name, picture)
    return np.asarray(page.asarray())


def _needs_pillow(page: Any) -> bool:
    return (
        page.compression not in _UNPACKED_BY_TIFFFILE
        or page.photometric == _PALETTE
        or page.predictor == _FLOATING_POINT_PREDICTOR
    )


@lru_cache(maxsize=2)
def _opened(path: Path, when: int) -> Any:
    """Keep a file open for a pass through its pages: each page is found from the one before.

    ``when`` the file was written is part of the key, so that a new file of that name is opened afresh.
    """
    return tifffile.TiffFile(path)


@lru_cache(maxsize=2)
def _picture(path: Path, when: int) -> Image.Image:
    return Image.open(path)
