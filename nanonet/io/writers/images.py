"""Maps and movies as tif, written page by page with a pixel size that other programs find."""

from __future__ import annotations

import contextlib
import operator
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeGuard

import numpy as np
from jaxtyping import Shaped

from nanonet.io.atomic import atomic_path
from nanonet.io.page import Page
from nanonet.io.writers.hspy import write_hspy
from nanonet.io.writers.stacks import as_stored, write_mrc_stack, write_npy
from nanonet.records import InputError

__all__ = ["TifWriter", "write_hspy", "write_mrc_stack", "write_npy", "write_tif"]

_TYPES = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "float32")
_CLASSIC_BYTES = 2**32 - 2**25  # what a TIFF with 32-bit offsets may hold, less room for its tags
_MANY_FRAMES = 10**9  # as wide a number as ever comes, so that the true one fits in its place
_ANGSTROM_PER_CM = 1e8
_ANGSTROM_PER_NM = 10.0


class TifWriter:
    """A tif that is written a page at a time, compressed (zlib), whose pixel size other programs find.

    The pixel size is stated three times, because no two programs look in the same place: in OME-XML (OME
    readers, Bio-Formats, nanonet), in the resolution tags (Fiji, tifffile) and in the tags of
    DigitalMicrograph (hyperspy). Label maps keep int32, maps float32, masks become 0 and 1 in uint8.

    Parameters
    ----------
    path
        Where to write; a file appears there only when the ``with`` block ends well.
    pixel_size
        Å, or None where lengths are measured in pixels.
    n_frames
        How many pages will come, if known. With more than 4 GB of pixels, or an unknown number, the file is a
        BigTIFF.
    frame_time
        Seconds between the starts of two frames.
    description
        What the pages show.

    Raises
    ------
    InputError
        On a pixel size that is not positive, or where the disk refuses.
    ValueError
        If no page came, or not ``n_frames``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        pixel_size: float | None,
        n_frames: int | None = None,
        frame_time: float | None = None,
        description: str = "",
    ) -> None:
        if pixel_size is not None and not (np.isfinite(pixel_size) and pixel_size > 0):
            raise InputError(f"pixel_size must be positive and finite, got {pixel_size} Å")
        self._path = Path(path)
        self._pixel_size = pixel_size
        self._n_frames = n_frames
        self._frame_time = frame_time
        self._description = description
        self._stack = contextlib.ExitStack()
        self._temporary: Path | None = None
        self._tif: Any = None
        self._shape: tuple[int, ...] = ()
        self._dtype = np.dtype("uint8")
        self._written = 0

    def __enter__(self) -> TifWriter:
        self._temporary = self._stack.enter_context(atomic_path(self._path))
        self._stack.push(self._finish)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, frame: Shaped[np.ndarray, "y x"] | Page) -> None:
        """Add a page; 64-bit numbers are stored in 32 bits. What is compressed is copied.

        Raises
        ------
        ValueError
            If the frame is not (y, x) or differs in shape or type from the first.
        InputError
            If its integers do not fit into 32 bits.
        """
        page = frame if _is_ready(frame) else Page.of(_stored(frame, self._path.name))
        if self._tif is None:
            self._open(page)
        if (page.shape, np.dtype(page.dtype)) != (self._shape, self._dtype):
            wanted = f"{self._dtype} {self._shape}"
            raise ValueError(f"a page of {self._path.name} must be {wanted}, got {page.dtype} {page.shape}")
        first = self._written == 0
        resolution = _pixels_per_cm(self._pixel_size)
        self._tif.write(
            iter([page.data]),
            shape=page.shape,
            dtype=np.dtype(page.dtype),
            rowsperstrip=page.shape[0],
            photometric="minisblack",
            compression="zlib",
            metadata=None,
            description=self._ome_xml(_MANY_FRAMES) if first else None,
            resolution=resolution,
            resolutionunit="CENTIMETER" if resolution else "NONE",
            extratags=_dm_tags(self._pixel_size, self._frame_time) if first else (),
        )
        self._written += 1

    def _open(self, page: Page) -> None:
        from tifffile import TiffWriter

        if self._temporary is None:
            raise ValueError("a TifWriter is used within a `with` block")
        self._shape, self._dtype = page.shape, np.dtype(page.dtype)
        size = int(np.prod(page.shape)) * self._dtype.itemsize
        big = self._n_frames is None or self._n_frames * size > _CLASSIC_BYTES
        self._tif = TiffWriter(self._temporary, bigtiff=big)

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close the file and, if all went well, put the true number of pages into its description."""
        if self._tif is not None:
            with contextlib.suppress(Exception) if kind else contextlib.nullcontext():
                self._tif.close()
        if kind is not None:
            return
        if self._written != (self._n_frames or self._written) or not self._written:
            raise ValueError(f"{self._path.name} got {self._written} pages, announced were {self._n_frames}")
        from tifffile import tiffcomment

        tiffcomment(os.fspath(self._temporary or ""), self._ome_xml(self._written))

    def _ome_xml(self, n_frames: int) -> bytes:
        from tifffile import OmeXml

        metadata: dict[str, Any] = {"Name": self._path.name}
        if self._description:
            metadata["Description"] = self._description
        if self._pixel_size is not None:
            metadata |= dict.fromkeys(("PhysicalSizeX", "PhysicalSizeY"), self._pixel_size / _ANGSTROM_PER_NM)
            metadata |= dict.fromkeys(("PhysicalSizeXUnit", "PhysicalSizeYUnit"), "nm")
        if self._frame_time is not None:
            metadata |= {"TimeIncrement": self._frame_time, "TimeIncrementUnit": "s"}
        # A name-based identifier, because a random one would make each writing of a result differ.
        xml = OmeXml(Creator="nanonet", UUID=str(uuid.uuid5(uuid.NAMESPACE_OID, self._path.name)))
        pages = (n_frames, 1, 1, *self._shape, 1)
        xml.addimage(self._dtype, (n_frames, *self._shape), pages, axes="TYX", **metadata)
        return bytes(xml.tostring(declaration=True).encode("utf-8", errors="replace"))


def write_tif(
    path: str | os.PathLike[str],
    frames: Iterable[Shaped[np.ndarray, "y x"] | Page],
    *,
    pixel_size: float | None,
    frame_time: float | None = None,
    description: str = "",
) -> None:
    """Write frames as the pages of a calibrated tif; see `TifWriter` for the parameters and errors."""
    n_frames = operator.length_hint(frames) or None
    with TifWriter(
        path, pixel_size=pixel_size, n_frames=n_frames, frame_time=frame_time, description=description
    ) as tif:
        for frame in frames:
            tif.write(frame)


def _is_ready(frame: Shaped[np.ndarray, "y x"] | Page) -> TypeGuard[Page]:
    """Return whether a frame is compressed, and of a type that a tif holds."""
    if not isinstance(frame, Page) or len(frame.shape) != 2:
        return False
    dtype = np.dtype(frame.dtype)
    return dtype.isnative and dtype.name in _TYPES


def _stored(frame: Shaped[np.ndarray, "y x"] | Page, name: str) -> Shaped[np.ndarray, "y x"]:
    image = as_stored(frame.image() if isinstance(frame, Page) else frame, _TYPES, name)
    return image.astype(image.dtype.newbyteorder("="), copy=False)


def _pixels_per_cm(pixel_size: float | None) -> tuple[float, float] | None:
    """Return the resolution tags, None where there is none that their 32-bit fractions can hold."""
    if pixel_size is None or not 1 <= _ANGSTROM_PER_CM / pixel_size < 2**32:
        return None
    return (_ANGSTROM_PER_CM / pixel_size,) * 2


def _dm_tags(pixel_size: float | None, frame_time: float | None) -> list[tuple[int, str, int, Any, bool]]:
    """Return the calibration as DigitalMicrograph does: units in 65003-5, scales in 65009-11 (x, y, t)."""
    tags: list[tuple[int, str, int, Any, bool]] = []
    if pixel_size is not None:
        for axis in (0, 1):
            tags.append((65003 + axis, "s", 0, "nm", False))
            tags.append((65009 + axis, "d", 1, pixel_size / _ANGSTROM_PER_NM, False))
    if frame_time is not None:
        tags += [(65005, "s", 0, "s", False), (65011, "d", 1, frame_time, False)]
    return tags
