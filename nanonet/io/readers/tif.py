"""TIFF: plain, ImageJ, OME and the microscopes' own, frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from nanonet.io.readers.frames import RawFrames, require_plausible
from nanonet.io.readers.recording import Axis, Recording, StoredFrames, layout
from nanonet.io.readers.tif_calibration import calibration
from nanonet.io.readers.tif_pages import TifPages
from nanonet.records import InputError

_NAMES = {"Y": "y", "X": "x", "T": "t", "Z": "z", "S": "colour", "C": "channel"}
_WHITE_IS_ZERO, _PALETTE = 0, 3


def open_file(path: Path, dataset: str | None) -> Recording:
    """Read the tags of a TIFF; of images of several shapes the first shape is taken."""
    del dataset
    with _opened(path) as file:
        if not file.series:
            raise InputError(f"{path.name} holds no image")
        series = file.series[0]
        shape, colours = _shape(path.name, series, file.is_shaped)
        dtype = np.dtype(series.dtype).newbyteorder(file.byteorder)
        require_plausible(path.name, shape, dtype, file.filehandle.size)
        frames = _frames(path, series, shape, colours, dtype)
        pixel, frame_time = calibration(path, file)
        notes = _notes(file)
    if colours:
        frames[0]  # one look is enough to refuse a picture in colour before work begins
    return Recording(
        frames=frames,
        shape=shape,
        dtype=dtype,
        pixel=pixel,
        frame_time=frame_time if shape[0] > 1 else None,
        notes=notes,
    )


def _opened(path: Path) -> Any:
    """Open a TIFF; of an OME set of several files only the pages in this one are taken."""
    file = tifffile.TiffFile(path)
    if file.is_ome and file.series and file.series[0].is_multifile:
        file.close()
        return tifffile.TiffFile(path, is_ome=False)
    return file


def _shape(name: str, series: Any, shaped: bool) -> tuple[tuple[int, int, int], bool]:
    """Return (t, y, x) and whether there are colour channels; times and planes follow each other."""
    # tifffile itself writes an array of three frames as the three planes of a colour.
    frames = {"S": "t"} if shaped and series.axes.startswith("S") else {}
    axes = [
        Axis(size=int(size), name=(_NAMES | frames).get(code, code))
        for size, code in zip(series.shape, series.axes, strict=True)
    ]
    named = {axis.name: axis.size for axis in axes}
    if named.get("channel", 1) > 1:
        raise InputError(
            f"{name} has {named['channel']} channels: save the one to be measured alone, in grey"
        )
    if "y" not in named or "x" not in named:
        return layout(name, axes).shape, False
    if min(named["y"], named["x"]) < 2:
        raise InputError(f"{name} holds a line of {max(named['y'], named['x'])} pixels, not an image")
    rest = [axis.size for axis in axes if axis.name not in ("y", "x", "colour", "channel")]
    count = int(np.prod(rest, dtype=object)) if rest else 1
    palette = series.keyframe.photometric == _PALETTE
    return (count, named["y"], named["x"]), palette or named.get("colour", 1) > 1


def _frames(
    path: Path, series: Any, shape: tuple[int, int, int], colours: bool, dtype: np.dtype
) -> StoredFrames:
    """Return frames by their offset where they lie one after the other unpacked, else by page."""
    if series.dataoffset is not None and not colours and dtype.kind != "b":
        return RawFrames(path=path, offset=int(series.dataoffset), shape=shape, dtype=dtype)
    pages = tuple(page.index for page in series.pages if page is not None)
    if not pages or shape[0] % len(pages):
        raise InputError(f"{path.name} is cut short or odd: it has {len(pages)} pages for {shape[0]} frames")
    return TifPages(path=path, pages=pages, planes=shape[0] // len(pages))


def _notes(file: Any) -> tuple[str, ...]:
    notes = []
    if len(file.series) > 1:
        notes.append(f"{len(file.series) - 1} further images of other shapes in the file are left out")
    if file.series[0].keyframe.photometric == _WHITE_IS_ZERO:
        notes.append("the file shows its smallest values as white; intensities are taken as they are stored")
    return tuple(notes)
