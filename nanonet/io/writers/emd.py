"""Movies as EMD files of the Berkeley kind (version 0.2), written frame by frame.

The format is told at https://emdatasets.com: an HDF5 group with the attribute ``emd_group_type`` 1 holds
``data`` and, for each of its axes, the coordinates ``dim1``, ``dim2``, ... with their name and unit.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Shaped

from nanonet.io.atomic import atomic_path
from nanonet.io.writers.hspy import ForgivingFile
from nanonet.io.writers.stacks import as_stored, require_alike
from nanonet.records import InputError, Modality

if TYPE_CHECKING:
    import h5py

_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
_ANGSTROM_PER_NM = 10.0


def write_emd(
    path: str | os.PathLike[str],
    frames: Iterable[Shaped[np.ndarray, "y x"]],
    *,
    pixel_size: float | None,
    frame_time: float | None = None,
    energy: float | None = None,
    dose: float | None = None,
    modality: Modality | None = None,
) -> None:
    """Write frames as a Berkeley EMD file: one array (t, y, x), compressed (gzip).

    Parameters
    ----------
    path
        .emd.
    frames
        Integers and floats are kept, truth values become 0 and 1.
    pixel_size
        Å; stated in nm. None leaves y and x in pixels.
    frame_time
        Seconds between the starts of two frames; None leaves t without a unit.
    energy
        Beam energy [eV], stored as the voltage of the microscope.
    dose
        e/Å² in one frame, stored with the microscope.
    modality
        Stored with the microscope.

    Raises
    ------
    ValueError
        If there is no frame, or the frames differ in shape or type.
    InputError
        If the pixel size is not positive, or the disk refuses.
    """
    import h5py

    if pixel_size is not None and not (np.isfinite(pixel_size) and pixel_size > 0):
        raise InputError(f"pixel_size must be positive and finite, got {pixel_size} Å")
    name = Path(path).name
    told = {"voltage": energy, "voltage_units": "V" if energy else None, "dose": dose, "modality": modality}
    told["dose_units"] = "electrons per square angstrom and frame" if dose else None
    with atomic_path(path) as temporary, temporary.open("w+b", buffering=0) as raw:
        disk = ForgivingFile(raw)
        first: np.ndarray | None = None
        count = 0
        with h5py.File(disk, "w") as file:
            for frame in frames:
                stored = as_stored(frame, _TYPES, name)
                if first is None:
                    first = stored
                    group = _start(file, first, Path(path).stem, told)
                require_alike(stored, first, name)
                count += 1
                group["data"].resize(count, axis=0)
                group["data"][count - 1] = stored
                disk.raise_failure()
            if first is None:
                raise ValueError(f"there is no frame to write to {name}")
            _write_axes(group, (count, *first.shape), pixel_size, frame_time)
        disk.raise_failure()


def _start(
    file: h5py.File, frame: np.ndarray, title: str, microscope: Mapping[str, str | float | None]
) -> h5py.Group:
    """Lay out an array of no frame yet whose first axis can grow."""
    file.attrs["version_major"], file.attrs["version_minor"] = 0, 2
    for name in ("user", "microscope", "sample", "comments"):
        file.create_group(name)
    for name, value in microscope.items():
        if value is not None:
            file["microscope"].attrs[name] = value
    readable = title.encode("utf-8", errors="replace").decode().replace("/", "-")
    group = file.create_group(f"data/{readable or 'movie'}")
    group.attrs["emd_group_type"] = 1
    group.create_dataset(
        "data", (0, *frame.shape), frame.dtype, maxshape=(None, *frame.shape), chunks=(1, *frame.shape),
        compression="gzip", compression_opts=2, shuffle=True,
    )  # fmt: skip
    return group


def _write_axes(
    group: h5py.Group, shape: tuple[int, ...], pixel_size: float | None, frame_time: float | None
) -> None:
    """Write the coordinates along t, y and x."""
    step, unit = (1.0, "pixels") if pixel_size is None else (pixel_size / _ANGSTROM_PER_NM, "[n_m]")
    time = (1.0, "frames") if frame_time is None else (frame_time, "[s]")
    known = (("time", *time), ("y", step, unit), ("x", step, unit))
    for number, (size, (name, scale, units)) in enumerate(zip(shape, known, strict=True), start=1):
        axis = group.create_dataset(f"dim{number}", data=scale * np.arange(size, dtype=np.float64))
        axis.attrs["name"], axis.attrs["units"] = name, units
