"""Pictures: png, jpg, bmp. They know no pixel size; a colour picture is taken only where it is grey."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from nanonet.io.readers.recording import Recording
from nanonet.records import InputError


@dataclass(frozen=True, kw_only=True)
class PictureFrame:
    """The one frame of a picture, decoded when asked for."""

    path: Path

    def __getitem__(self, index: int) -> np.ndarray:
        with Image.open(self.path) as picture:
            return grey(self.path.name, picture)


def open_file(path: Path, dataset: str | None) -> Recording:
    """Look at a picture; one in colour is decoded at once, to see whether its channels are equal."""
    del dataset
    with _opened(path) as picture:
        if f".{(picture.format or '').lower()}" not in _SUFFIXES.get(path.suffix.lower(), ()):
            raise ValueError(f"its content is {picture.format}")
        columns, rows = picture.size
        dtype = np.dtype(_GREY.get(picture.mode, "u1"))
        if picture.mode not in _GREY:
            grey(path.name, picture)
    if min(rows, columns) < 2:
        raise InputError(f"{path.name} is a line of {max(rows, columns)} pixels, not an image")
    return Recording(frames=PictureFrame(path=path), shape=(1, rows, columns), dtype=dtype)


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    # A few bytes can claim any number of pixels: Pillow refuses what would fill the memory.
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise InputError(
            f"{path.name} has more than the {most} million pixels that a picture may have: "
            "cut or bin it, or give it as tif"
        ) from error


_SUFFIXES = {
    ".png": (".png",),
    ".jpg": (".jpeg", ".mpo"),
    ".jpeg": (".jpeg", ".mpo"),
    ".bmp": (".bmp", ".dib"),
}
_GREY = {"1": "?", "L": "u1", "I": "i4", "F": "f4", "I;16": "<u2", "I;16L": "<u2", "I;16B": ">u2"}


def grey(name: str, picture: Image.Image) -> np.ndarray:
    """Return a picture as one channel (y, x).

    Raises
    ------
    InputError
        If its channels differ, or it is partly transparent.
    """
    if picture.mode in _GREY:
        return np.asarray(picture)
    values = np.asarray(picture.convert("RGBA"))
    return equal_channels(name, values)


def equal_channels(name: str, values: np.ndarray) -> np.ndarray:
    """Return the grey (y, x) of colour values (y, x, 3 or 4); an `InputError` where there is colour."""
    if values.shape[-1] not in (3, 4):
        raise InputError(
            f"{name} has {values.shape[-1]} channels: convert it to grey without an alpha channel"
        )
    if values.shape[-1] == 4 and np.ptp(values[..., 3]) > 0:
        raise InputError(f"{name} is partly transparent: convert it to grey without an alpha channel")
    if not (
        np.array_equal(values[..., 0], values[..., 1]) and np.array_equal(values[..., 0], values[..., 2])
    ):
        raise InputError(f"{name} is a colour picture whose channels differ: convert it to grey")
    return values[..., 0]
