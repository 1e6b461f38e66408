"""Gatan's DM3 and DM4: tags parsed by RosettaSciIO, frames read from their offset in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from rsciio.digitalmicrograph._api import DigitalMicrographReader, ImageObject

from nanonet.io.readers.frames import RawFrames
from nanonet.io.readers.recording import Axis, Recording, choose, detected_by, layout, unique
from nanonet.io.readers.units import positive
from nanonet.records import InputError

# Codes of ImageData.DataType in DM's own help: pairs and packed halves of complex numbers, and colours.
_COMPLEX = (3, 5, 13, 27, 28)
_COLOUR = (8, 23)


class _Tags(DigitalMicrographReader):
    """RosettaSciIO's parser, which follows no length that reaches beyond the end of the file.

    A damaged length would else have it build lists of billions of elements, or walk in circles.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__(file)
        self._size = size

    def read_string(self, length: int, skip: bool = False) -> Any:
        self._require(length)
        if skip:
            return super().read_string(length, skip=True)
        text: bytes = self.f.read(length)
        if len(text) < length:
            raise EOFError("the file ends within a tag")
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError:
            return text.decode("latin-1")

    def read_array(self, size: int, enc_eltype: int, extra: Any = None, skip: bool = False) -> Any:
        self._require(size)
        return super().read_array(size, enc_eltype, extra, skip)

    def _require(self, size: int) -> None:
        if not 0 <= size <= self._size:
            raise ValueError(f"a tag claims {size} elements in a file of {self._size} bytes")


def open_file(path: Path, dataset: str | None) -> Recording:
    """Read the tags of a DM3 or DM4 file; its thumbnail is left out."""
    with path.open("rb") as file:
        tags = _Tags(file, path.stat().st_size)
        tags.parse_file()
        images = tags.get_image_dictionaries() or []
        usable = [image for image in images if image.get("ImageData", {}).get("DataType") not in _COLOUR]
        titles = unique([str(image.get("Name") or "image") for image in usable or images])
        image = choose(path.name, dict(zip(titles, usable or images, strict=True)), dataset)
        return _recording(path, image, ImageObject(image, file))


def _recording(path: Path, image: dict[str, Any], described: ImageObject) -> Recording:
    kind, where = image["ImageData"]["DataType"], image["ImageData"]["Data"]
    if kind in _COMPLEX:
        raise InputError(f"{path.name} is complex (a wave or a Fourier transform): give its intensity")
    tags = image.get("ImageTags") or {}
    if str(_tag(tags, "Meta Data", "Format")).startswith("Spectrum"):
        raise InputError(f"{path.name} is a spectrum or a spectrum image, not an image")
    axes = [
        Axis(size=int(a["size"]), name=str(a["name"] or ""), scale=a["scale"], unit=a["units"])
        for a in described.get_axes_dict()
    ]
    found = layout(path.name, axes)
    if [found.y, found.x] != [len(axes) - 2, len(axes) - 1]:
        raise InputError(f"{path.name} does not end in its y and x axes: {[axis.name for axis in axes]}")
    dtype = np.dtype(described.dtype).newbyteorder("<" if where["endian"] == "little" else ">")
    frames = RawFrames(path=path, offset=int(where["offset"]), shape=found.shape, dtype=dtype)
    if where["size_bytes"] < np.prod(found.shape, dtype=object) * dtype.itemsize:
        raise InputError(f"{path.name} is damaged: its data of {where['size_bytes']} bytes are too few")
    return Recording(
        frames=frames,
        shape=found.shape,
        dtype=dtype,
        pixel=found.pixel,
        modality=_modality(image, tags),
        energy=positive(_tag(tags, "Microscope Info", "Voltage")),
        frame_time=found.frame_time,
    )


def _modality(image: dict[str, Any], tags: dict[str, Any]) -> Any:
    scanning = "STEM" in str(_tag(tags, "Microscope Info", "Illumination Mode")) or "DigiScan" in tags
    signal = _tag(tags, "DataBar", "Signal Name") or _tag(tags, "source", "source name")
    names = (signal, image.get("Name"), _tag(tags, "QuickSaved", "original name"))
    return detected_by(*names, scanning=scanning)


def _tag(tags: Any, *keys: str) -> Any:
    """Return the tag at a path of keys, None where there is none."""
    for key in keys:
        tags = tags.get(key) if isinstance(tags, dict) else None
    return tags
