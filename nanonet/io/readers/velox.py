"""Velox's EMD: one group an image, (y, x, t), with a JSON text a frame that describes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nanonet.io.readers.hdf5 import hdf5_frames
from nanonet.io.readers.recording import Axis, Recording, choose, detected_by, layout, unique
from nanonet.io.readers.units import positive


def recording(path: Path, file: h5py.File, dataset: str | None) -> Recording:
    """Read one image or image series of a Velox file.

    Of a spectrum image (an SI file: its element maps are images too) the HAADF signal is taken where there
    is just one and no other is asked for.
    """
    groups = [item for item in file["Data/Image"].values() if _holds_frames(item)]
    described = [_metadata(group) for group in groups]
    names = unique([_title(file, group, about) for group, about in zip(groups, described, strict=True)])
    candidates = dict(zip(names, zip(groups, described, strict=True), strict=True))
    if dataset is None and "SpectrumImage" in file["Data"]:
        haadf = [name for name in candidates if name.split("#")[0] == "HAADF"]
        candidates = {haadf[0]: candidates[haadf[0]]} if len(haadf) == 1 else candidates
    group, about = choose(path.name, candidates, dataset)
    return _recording(path, group["Data"], about)


def _holds_frames(group: Any) -> bool:
    return isinstance(group, h5py.Group) and isinstance(group.get("Data"), h5py.Dataset)


def _recording(path: Path, data: h5py.Dataset, about: dict[str, Any]) -> Recording:
    result = _at(about, "BinaryResult") or {}
    size = _at(result, "PixelSize") or {}
    axes = [
        Axis(
            size=data.shape[0], name="y", scale=_float(size.get("height")), unit=result.get("PixelUnitY", "")
        ),
        Axis(
            size=data.shape[1], name="x", scale=_float(size.get("width")), unit=result.get("PixelUnitX", "")
        ),
        *(Axis(size=n, name="t") for n in data.shape[2:]),
    ]
    found = layout(path.name, axes)
    detector = _detector(about)
    exposure = _at(about, "Scan", "FrameTime") or _at(detector, "ExposureTime")
    return Recording(
        frames=hdf5_frames(path, data, found),
        shape=found.shape,
        dtype=data.dtype,
        pixel=found.pixel,
        modality=detected_by(result.get("Detector") or detector.get("DetectorName")),
        energy=positive(_at(about, "Optics", "AccelerationVoltage")),
        frame_time=positive(exposure) if found.shape[0] > 1 else None,
    )


def _metadata(group: h5py.Group) -> dict[str, Any]:
    """Return the description of the first frame."""
    if "Metadata" not in group:
        return {}
    text = bytes(np.asarray(group["Metadata"][:, 0], np.uint8)).split(b"\0", 1)[0]
    described = json.loads(text.decode("utf-8", "replace") or "{}")
    return described if isinstance(described, dict) else {}


def _title(file: h5py.File, group: h5py.Group, about: dict[str, Any]) -> str:
    """Return how Velox shows an image: its display's label, else the detector, else the group's name."""
    identity = group.name.rsplit("/", 1)[-1]
    label = _display_label(file, identity)
    detector = _at(about, "BinaryResult", "Detector") or _detector(about).get("DetectorName")
    return str(label or detector or identity)


def _display_label(file: h5py.File, identity: str) -> str | None:
    displays = file.get("Presentation/Displays/ImageDisplay")
    for item in displays.values() if isinstance(displays, h5py.Group) else ():
        shown = json.loads(item.asstr()[0])
        if str(shown.get("dataPath", "")).rsplit("/", 1)[-1] == identity:
            return _at(shown, "display", "label") or None
    return None


def _detector(about: dict[str, Any]) -> dict[str, Any]:
    index = _at(about, "BinaryResult", "DetectorIndex")
    found = _at(about, "Detectors", f"Detector-{index}")
    return found if isinstance(found, dict) else {}


def _at(tree: Any, *keys: str) -> Any:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _float(text: Any) -> float | None:
    return positive(text)
