"""Gatan DigitalMicrograph files (.dm3, .dm4), written frame by frame.

The axes of DM go x, y, t and x varies fastest, so that a C-ordered (t, y, x) array is stored as it is.
Calibrations are Scale · (index - Origin), in Units. How tags become bytes is told in `dm_tags`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from nanonet.io.atomic import atomic_path
from nanonet.io.writers.dm_tags import Pixels, Tag, layout
from nanonet.records import InputError, Modality

Shape: TypeAlias = tuple[int, int] | tuple[int, int, int]

# numpy type -> (DataType of the image, type code of the tag's array)
_IMAGE_TYPES: dict[str, tuple[int, int]] = {
    "int16": (1, 2),
    "float32": (2, 6),
    "uint8": (6, 10),
    "int32": (7, 3),
    "int8": (9, 9),
    "uint16": (10, 4),
    "uint32": (11, 5),
    "float64": (12, 7),
}
_DM3_BYTES = 2**31 - 2**20  # of pixels; its sizes are 32-bit numbers
_ANGSTROM_PER_UNIT = {"nm": 10.0, "Å": 1.0, "A": 1.0, "pm": 0.01, "µm": 1e4, "um": 1e4}


def write_dm(
    path: str | os.PathLike[str],
    frames: Iterable[np.ndarray],
    shape: Shape,
    dtype: np.typing.DTypeLike,
    *,
    pixel_size: float | tuple[float, float] | None,
    energy: float | None = None,
    frame_time: float | None = None,
    unit: str = "nm",
    modality: Modality | None = None,
) -> None:
    """Write an image or a movie as DM3 or DM4, whichever the suffix says; one frame is held at a time.

    Parameters
    ----------
    path
        Ends in .dm3 (up to 2 GiB) or .dm4.
    frames
        Frames (y, x) in order. They are stored as ``dtype``, which must hold integers exactly.
    shape
        (t, y, x), or (y, x) for one image; one frame is written as an image of two axes.
    dtype
        int8, uint8, int16, uint16, int32, uint32, float32 or float64.
    pixel_size
        Å, or (y, x) in Å where pixels are not square; None leaves the image without calibration. The format
        keeps 7 digits.
    energy
        Beam energy [eV], stored as the voltage.
    frame_time
        Seconds between the starts of two frames.
    unit
        Unit in which the file states the pixel size: nm, Å, pm or µm.
    modality
        Told by the illumination mode and, for STEM, by the name of the signal.

    Raises
    ------
    InputError
        If the suffix, unit or dtype is not one of these, the frames pass 2 GiB in DM3, or the disk refuses.
    ValueError
        If the frames differ from ``shape`` in number or size, or do not fit ``dtype``.
    """
    version = _version(path)
    stored = np.dtype(dtype)
    size = _three_axes(shape)
    tree = _tag_tree(
        size, stored, _scales(pixel_size, unit), unit if pixel_size else "", frame_time,
        _microscope(energy, modality) | {"Name": Path(path).stem},
    )  # fmt: skip
    if version == 3 and math.prod(size) * stored.itemsize > _DM3_BYTES:
        raise InputError(f"{Path(path).name} would pass the 2 GB of a dm3 file: name it .dm4")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        for segment in layout(tree, version):
            if isinstance(segment, bytes):
                file.write(segment)
                continue
            for frame in _checked(frames, size, stored):
                file.write(frame.data)


def _version(path: str | os.PathLike[str]) -> int:
    suffix = Path(path).suffix.lower()
    if suffix not in {".dm3", ".dm4"}:
        raise InputError(f"a DigitalMicrograph file must be named .dm3 or .dm4, got {Path(path).name}")
    return int(suffix[-1])


def _three_axes(shape: Shape) -> tuple[int, int, int]:
    full = (1, *shape) if len(shape) == 2 else shape
    if len(full) != 3 or min(full) < 1:
        raise ValueError(f"shape must be (t, y, x) or (y, x), each at least 1, got {shape}")
    return full


def _scales(pixel_size: float | tuple[float, float] | None, unit: str) -> tuple[float, float]:
    """Return the sizes of a pixel along y and x in ``unit``; 1 where they are not known."""
    if unit not in _ANGSTROM_PER_UNIT:
        raise InputError(f"unit must be one of {', '.join(_ANGSTROM_PER_UNIT)}, got {unit!r}")
    if pixel_size is None:
        return 1.0, 1.0
    sizes = pixel_size if isinstance(pixel_size, tuple) else (pixel_size, pixel_size)
    if not all(np.isfinite(size) and size > 0 for size in sizes):
        raise InputError(f"pixel_size must be positive and finite, got {pixel_size} Å")
    y, x = (size / _ANGSTROM_PER_UNIT[unit] for size in sizes)
    return y, x


def _microscope(energy: float | None, modality: Modality | None) -> dict[str, Tag]:
    """Return the tags that say how the image was recorded, only those that are known."""
    info: dict[str, Tag] = {}
    tags: dict[str, Tag] = {}
    if energy is not None:
        info |= {"Formatted Voltage": f"{energy / 1e3:g}kV", "Voltage": np.float64(energy)}
    if modality is not None and modality != "SEM":
        scanned = modality not in {"HRTEM", "BF-TEM"}
        info["Illumination Mode"] = "STEM" if scanned else "TEM"
        info["Operation Mode"] = "SCANNING" if scanned else "IMAGING"
        if scanned:
            tags["DataBar"] = {"Signal Name": modality.removesuffix("-STEM")}
    if modality == "SEM":
        info["Illumination Mode"] = "SEM"
    if info:
        tags["Microscope Info"] = info
    return {"ImageTags": tags}


def _tag_tree(
    shape: tuple[int, int, int],
    dtype: np.dtype,
    scales: tuple[float, float],
    unit: str,
    frame_time: float | None,
    image: Mapping[str, Tag],
) -> dict[str, Tag]:
    """Return all tags: the image, and the minimum that shows it in a window of DigitalMicrograph."""
    if dtype.name not in _IMAGE_TYPES:
        raise InputError(f"a dm file holds {', '.join(_IMAGE_TYPES)}, not {dtype.name}: convert the frames")
    data_type, code = _IMAGE_TYPES[dtype.name]
    axes: list[tuple[int, float, str]] = [(shape[2], scales[1], unit), (shape[1], scales[0], unit)]
    if shape[0] > 1:
        axes.append((shape[0], frame_time or 1.0, "s" if frame_time else ""))
    dimensions: list[Tag] = [{"Origin": 0.0, "Scale": scale, "Units": name} for _, scale, name in axes]
    data: dict[str, Tag] = {
        "Calibrations": {
            "Brightness": {"Origin": 0.0, "Scale": 1.0, "Units": ""},
            "Dimension": dimensions,
            "DisplayCalibratedUnits": True,
        },
        "Data": Pixels(shape[0] * shape[1] * shape[2], code, dtype.itemsize),
        "DataType": data_type,
        "Dimensions": [np.uint32(size) for size, _, _ in axes],
        "PixelDepth": dtype.itemsize,
    }
    window = (0.0, 0.0, float(shape[1]), float(shape[2]))
    return {
        "DocumentObjectList": [_display(window)],
        "HasWindowPosition": False,
        "Image Behavior": {"ImageDisplayBounds": window, "ViewDisplayID": np.uint32(8)},
        "ImageList": [{"ImageData": data, **image}],
        "ImageSourceList": [_source(shape[0])],
        "InImageMode": True,
        "NextDocumentObjectID": np.uint32(9),
    }


def _display(window: tuple[float, ...]) -> dict[str, Tag]:
    """Return the object that draws image source 0 as a grey-scale raster; 20 and 1 are its kinds in DM."""
    return {
        "AnnotationType": 20,
        "ImageDisplayInfo": {"CaptionOn": False, "DoAutoSurvey": True, "IsInverted": False},
        "ImageDisplayType": 1,
        "ImageSource": np.uint32(0),
        "IsVisible": True,
        "Rectangle": window,
        "UniqueID": np.uint32(8),
    }


def _source(n_frames: int) -> dict[str, Tag]:
    """Return the source that the display draws: image 0, of a movie its first frame."""
    base: dict[str, Tag] = {"Id": [np.uint32(0)], "ImageRef": np.uint32(0)}
    if n_frames == 1:
        return {"ClassName": "ImageSource:Simple", **base}
    layers: dict[str, Tag] = {"LayerEnd": np.uint32(0), "LayerStart": np.uint32(0), "Summed Dimension": 2}
    return {"ClassName": "ImageSource:Summed", "Do Sum": True, **base, **layers}


def _checked(
    frames: Iterable[np.ndarray], shape: tuple[int, int, int], dtype: np.dtype
) -> Iterator[np.ndarray]:
    """Yield the frames as little-endian ``dtype``, and see that their number and size are as announced."""
    number = 0
    for number, frame in enumerate(frames, start=1):
        if frame.shape != shape[1:] or number > shape[0]:
            raise ValueError(f"frame {number} of shape {frame.shape} does not fit the announced {shape}")
        with np.errstate(invalid="ignore"):
            cast = np.ascontiguousarray(frame, dtype=dtype.newbyteorder("<"))
        if dtype.kind in "iu" and not np.array_equal(cast, frame):
            raise ValueError(f"frame {number} holds values that {dtype.name} cannot hold exactly")
        yield cast
    if number != shape[0]:
        raise ValueError(f"{number} frames came, {shape[0]} were announced")
