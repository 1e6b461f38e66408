"""Movies as hyperspy files, written frame by frame so that memory does not grow."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from nanonet.io.atomic import atomic_path
from nanonet.io.writers.stacks import as_stored, require_alike

if TYPE_CHECKING:
    import h5py

_FORMAT_VERSION = "3.3"  # of hyperspy's layout of HDF5
_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
_ANGSTROM_PER_NM = 10.0


def write_hspy(
    path: str | os.PathLike[str],
    frames: Iterable[Shaped[np.ndarray, "y x"]],
    *,
    pixel_size: float | None,
    frame_time: float | None = None,
    energy: float | None = None,
    title: str = "",
) -> None:
    """Write frames as a hyperspy file: a signal (y, x) over time, compressed (gzip).

    Parameters
    ----------
    path
        .hspy.
    frames
        Integers and floats are kept, truth values become 0 and 1.
    pixel_size
        Å; stated in nm. None leaves y and x without a unit.
    frame_time
        Seconds between the starts of two frames; None leaves t without a unit.
    energy
        Beam energy [eV]; stated in keV, as hyperspy does.
    title
        Shown above the image; the file's name where empty.

    Raises
    ------
    ValueError
        If there is no frame, or the frames differ in shape or type.
    InputError
        If the disk refuses.
    """
    import h5py

    name = Path(path).name
    heading = (title or Path(path).stem).encode("utf-8", errors="replace").decode()
    with atomic_path(path) as temporary, temporary.open("w+b", buffering=0) as raw:
        disk = ForgivingFile(raw)
        first: np.ndarray | None = None
        count = 0
        with h5py.File(disk, "w") as file:
            for frame in frames:
                stored = as_stored(frame, _TYPES, name)
                if first is None:
                    first = stored
                    experiment = _start(file, first, heading, _axes(first, pixel_size, frame_time), energy)
                require_alike(stored, first, name)
                count += 1
                experiment["data"].resize(count, axis=0)
                experiment["data"][count - 1] = stored
                disk.raise_failure()
            if first is None:
                raise ValueError(f"there is no frame to write to {name}")
            experiment["axis-0"].attrs["size"] = count
        disk.raise_failure()


class ForgivingFile(io.RawIOBase):
    """A file that keeps its first failed write to itself, for HDF5 crashes the program when one fails.

    After a failure nothing more reaches the disk, while HDF5 believes that it did; `raise_failure` tells.
    """

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._failure: OSError | None = None

    def raise_failure(self) -> None:
        """Raise the first failure, if there was one."""
        if self._failure is not None:
            raise self._failure

    def write(self, data: Any) -> int:
        """Write all of ``data``, or take note that it cannot be."""
        view = memoryview(data).cast("B")
        done = 0
        while self._failure is None and done < len(view):
            try:
                done += self._file.write(view[done:])
            except OSError as error:
                self._failure = error
        if self._failure is not None:
            self._file.seek(len(view) - done, os.SEEK_CUR)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Change the length of the file, or take note that it cannot be."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._failure = self._failure or error
            return size or 0

    def readinto(self, buffer: Any) -> int:
        """Read to fill ``buffer``; what never reached the disk reads as zeros."""
        view = memoryview(buffer).cast("B")
        done = self._file.readinto(view) or 0
        view[done:] = bytes(len(view) - done)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to ``offset``."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()


def _axes(
    frame: np.ndarray, pixel_size: float | None, frame_time: float | None
) -> list[dict[str, str | int | float]]:
    """Return the axes t, y, x; an unknown scale is 1 without a unit."""
    step = 1.0 if pixel_size is None else pixel_size / _ANGSTROM_PER_NM
    unit = "" if pixel_size is None else "nm"
    known = [
        ("time", 1, frame_time or 1.0, "s" if frame_time else ""),
        ("y", frame.shape[0], step, unit),
        ("x", frame.shape[1], step, unit),
    ]
    return [
        {"name": name, "size": size, "scale": scale, "units": units or "_None_", "index_in_array": i}
        for i, (name, size, scale, units) in enumerate(known)
    ]


def _start(
    file: h5py.File,
    frame: np.ndarray,
    title: str,
    axes: list[dict[str, str | int | float]],
    energy: float | None,
) -> h5py.Group:
    """Lay out a signal of no frame yet whose first axis can grow."""
    _set(file, {"file_format": "HyperSpy", "file_format_version": _FORMAT_VERSION})
    experiment = file.create_group(f"Experiments/{title.replace('/', '-') or '__unnamed__'}")
    experiment.create_dataset(
        "data", (0, *frame.shape), frame.dtype, maxshape=(None, *frame.shape), chunks=(1, *frame.shape),
        compression="gzip", compression_opts=2, shuffle=True,
    )  # fmt: skip
    for axis in axes:
        group = experiment.create_group(f"axis-{axis['index_in_array']}")
        fixed = {"_type": "UniformDataAxis", "offset": 0.0, "is_binned": False}
        _set(group, {**fixed, **axis, "navigate": axis["name"] == "time"})
    _set(experiment.create_group("metadata/General"), {"title": title})
    _set(experiment.create_group("metadata/Signal"), {"signal_type": ""})
    if energy is not None:
        _set(experiment.create_group("metadata/Acquisition_instrument/TEM"), {"beam_energy": energy / 1e3})
    _set(experiment.create_group("attributes"), {"_lazy": False, "ragged": False})
    _set(experiment, {"package": "nanonet", "package_version": ""})
    for name in ("original_metadata", "learning_results"):
        experiment.create_group(name)
    return experiment


def _set(group: h5py.Group, attributes: Mapping[str, object]) -> None:
    for name, value in attributes.items():
        group.attrs[name] = value
