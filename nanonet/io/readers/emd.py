"""EMD files: Velox's (Thermo Fisher) or the NCEM's, told apart by what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nanonet.io.readers import velox
from nanonet.io.readers.hdf5 import attribute, hdf5_frames, opened
from nanonet.io.readers.recording import Axis, Recording, choose, layout
from nanonet.io.readers.units import positive


def open_file(path: Path, dataset: str | None) -> Recording:
    """Read what an EMD file says about its images."""
    with opened(path) as file:
        if "Version" in file and "Data" in file and "Image" in file["Data"]:
            return velox.recording(path, file, dataset)
        groups = {name: file[name] for name in _emd_groups(file)}
        short = {name.rsplit("/", 1)[-1]: group for name, group in groups.items()}
        return _ncem(path, file, choose(path.name, short if len(short) == len(groups) else groups, dataset))


def _emd_groups(file: h5py.File) -> list[str]:
    """Return the names of the groups that hold an array with its axes (``emd_group_type`` 1)."""
    found: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and "emd_group_type" in item.attrs and _array(item) is not None:
            found.append(name)

    file.visititems(visit)
    return found


def _array(group: h5py.Group) -> h5py.Dataset | None:
    for name in ("data", "realslice", "datacube", "counted_datacube", "diffractionslice"):
        if isinstance(group.get(name), h5py.Dataset):
            return group[name]
    return None


def _ncem(path: Path, file: h5py.File, group: h5py.Group) -> Recording:
    data = _array(group)
    if data is None:
        raise KeyError(f"no data in {group.name}")
    found = layout(path.name, list(_axes(group, data.shape)))
    microscope = file["microscope"].attrs if "microscope" in file else {}
    volts = positive(attribute(microscope, "high tension")) or positive(attribute(microscope, "voltage"))
    return Recording(
        frames=hdf5_frames(path, data, found),
        shape=found.shape,
        dtype=data.dtype,
        pixel=found.pixel,
        energy=_electronvolt(volts),
        frame_time=found.frame_time,
    )


def _axes(group: h5py.Group, shape: tuple[int, ...]) -> Iterator[Axis]:
    first = 0 if "dim0" in group else 1
    for number, size in enumerate(shape, start=first):
        dimension = group.get(f"dim{number}")
        attributes = dimension.attrs if dimension is not None else {}
        yield Axis(
            size=size,
            name=str(attribute(attributes, "name") or ""),
            unit=str(attribute(attributes, "units") or ""),
            scale=_step(dimension),
        )


def _step(dimension: Any) -> float | None:
    """Return the mean step of an axis whose coordinates, or whose first two, are listed."""
    if (
        not isinstance(dimension, h5py.Dataset)
        or dimension.shape is None
        or dimension.dtype.kind not in "iuf"
    ):
        return None
    values = np.atleast_1d(dimension[:2]) if dimension.ndim == 1 else np.zeros(0)
    if values.size < 2:
        return None
    count = int(dimension.shape[0])
    return abs(float(dimension[count - 1]) - float(values[0])) / (count - 1)


def _electronvolt(volts: float | None) -> float | None:
    """Read a voltage below 3000 as kV: no electron microscope works at 3 kV or less in transmission."""
    return volts * 1e3 if volts is not None and volts < 3e3 else volts
