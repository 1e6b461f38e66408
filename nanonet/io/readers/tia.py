"""TIA's series: a ``.ser`` with the frames, beside an ``.emi`` with what the microscope was set to.

RosettaSciIO and ncempy agree on the layout that is read here (Boothroyd's description); the former reads
the whole series into memory, which a movie does not allow.
"""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nanonet.io.readers.frames import read_array
from nanonet.io.readers.recording import Recording
from nanonet.io.readers.units import positive
from nanonet.records import InputError

_TYPES = {1: "u1", 2: "<u2", 3: "<u4", 4: "i1", 5: "<i2", 6: "<i4", 7: "<f4", 8: "<f8", 9: "<c8", 10: "<c16"}
_IMAGES = 0x4122
# Offset, step and element number along x, then y; type; width and height.
_ELEMENT = struct.Struct("<ddiddiHII")


@dataclass(frozen=True, kw_only=True)
class SerFrames:
    """Frames at their own offsets, each behind a header that must repeat the first one's size and type."""

    path: Path
    offsets: np.ndarray
    shape: tuple[int, int]
    kind: int

    def __getitem__(self, index: int) -> np.ndarray:
        offset = int(self.offsets[index])
        kind, shape, _ = _element(self.path, offset)
        if (kind, shape) != (self.kind, self.shape):
            raise InputError(
                f"{self.path.name} is damaged: frame {index} has shape {shape}, not {self.shape}"
            )
        frame = read_array(self.path, offset + _ELEMENT.size, shape, np.dtype(_TYPES[kind]))
        return frame[::-1]  # stored from the bottom up


def open_file(path: Path, dataset: str | None) -> Recording:
    """Read the header of a ``.ser`` file, and the settings in the ``.emi`` beside it where there is one."""
    del dataset
    offsets = _offsets(path)
    kind, shape, steps = _element(path, int(offsets[0]))
    settings = _settings(path)
    if _is_diffraction(settings):
        raise InputError(f"{path.name} is a diffraction pattern ({settings['Mode'].strip()}), not an image")
    dtype = np.dtype(_TYPES[kind])
    last = int(offsets.max()) + _ELEMENT.size + shape[0] * shape[1] * dtype.itemsize
    if last > path.stat().st_size:
        raise InputError(f"{path.name} is cut short: {len(offsets)} frames {shape} do not fit into the file")
    sizes = positive(steps[0], 1e10), positive(steps[1], 1e10)
    return Recording(
        frames=SerFrames(path=path, offsets=offsets, shape=shape, kind=kind),
        shape=(len(offsets), *shape),
        dtype=dtype,
        pixel=None if sizes[0] is None or sizes[1] is None else (sizes[0], sizes[1]),
        energy=positive(settings.get("High tension"), 1e3),
        frame_time=positive(settings.get("FrameTime")) if len(offsets) > 1 else None,
    )


def _offsets(path: Path) -> np.ndarray:
    """Return where the valid frames begin."""
    with path.open("rb") as file:
        order, series, version, kind, _, total, valid = struct.unpack("<HHHIIII", file.read(22))
        if (order, series) != (0x4949, 0x0197):
            raise ValueError("its first bytes are not those of a TIA series")
        word = "<u4" if version <= 0x210 else "<u8"
        start, dimensions = np.frombuffer(file.read(np.dtype(word).itemsize), word)[0], file.read(4)
    if kind != _IMAGES:
        raise InputError(f"{path.name} is a spectrum or a spectrum image, not an image")
    if not 0 < valid <= total or valid * np.dtype(word).itemsize > path.stat().st_size:
        raise InputError(f"{path.name} holds no image: {valid} of {total} frames are valid")
    _refuse_scan(path, struct.unpack("<I", dimensions)[0], 26 + np.dtype(word).itemsize)
    offsets = np.fromfile(path, word, count=valid, offset=int(start))
    if len(offsets) < valid or int(offsets.max()) > path.stat().st_size:
        raise InputError(f"{path.name} is cut short: the places of its {valid} frames are missing")
    return offsets


def _refuse_scan(path: Path, dimensions: int, start: int) -> None:
    """Refuse an image at each point of a scan over more than one axis."""
    sizes = []
    with path.open("rb") as file:
        file.seek(start)
        for _ in range(min(dimensions, 8)):
            size, _, _, _, text = struct.unpack("<IddII", file.read(28))
            file.seek(text, 1)
            file.seek(struct.unpack("<I", file.read(4))[0], 1)
            sizes.append(size)
    if sum(size > 1 for size in sizes) > 1:
        raise InputError(f"{path.name} holds an image at each of {sizes} points (4D-STEM?), not a movie")


def _element(path: Path, offset: int) -> tuple[int, tuple[int, int], tuple[float, float]]:
    """Return the type, the shape (y, x) and the steps (y, x) [m] of the frame at an offset."""
    with path.open("rb") as file:
        file.seek(offset)
        _, step_x, _, _, step_y, _, kind, columns, rows = _ELEMENT.unpack(file.read(_ELEMENT.size))
    if kind not in _TYPES or min(rows, columns) < 2 or rows * columns > path.stat().st_size:
        raise InputError(f"{path.name} is damaged: a frame of type {kind} and {rows} x {columns} pixels")
    return kind, (rows, columns), (step_y, step_x)


def _settings(path: Path) -> dict[str, str]:
    """Return the microscope's settings by label, empty where no readable ``.emi`` is there."""
    numbered = re.fullmatch(r"(.+)_(\d+)", path.stem)
    emi = path.with_name(f"{numbered[1]}.emi") if numbered else None
    if numbered is None or emi is None or not emi.is_file():
        return {}
    objects = re.findall(rb"<ObjectInfo>.*?</ObjectInfo>", _text_of(emi), re.DOTALL)
    number = int(numbered[2]) - 1
    if not 0 <= number < len(objects):
        return {}
    try:
        tree = ET.fromstring(objects[number].decode("utf-8", "replace"))
    except ET.ParseError:
        return {}
    return _labelled(tree)


def _text_of(emi: Path) -> Any:
    """Map the file: an ``.emi`` also holds a copy of the images."""
    return np.memmap(emi, np.uint8, mode="r") if emi.stat().st_size else b""


def _labelled(tree: ET.Element) -> dict[str, str]:
    described = {
        item.findtext("Label", ""): item.findtext("Value", "")
        for item in tree.findall("ExperimentalDescription/Root/Data")
    }
    acquired = {item.tag: item.text or "" for item in tree.findall("AcquireInfo/*")}
    return {**described, **acquired}


def _is_diffraction(settings: dict[str, str]) -> bool:
    """Whether the projector showed the diffraction plane, and not to scan the beam over a detector."""
    mode = settings.get("Mode", "")
    return "CameraNamePath" in settings if "STEM" in mode else "Diffraction" in mode
