"""HyperSpy's own files: HDF5, one group an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from nanonet.io.readers.hdf5 import attribute, hdf5_frames, opened
from nanonet.io.readers.recording import Axis, Recording, choose, detected_by, layout
from nanonet.io.readers.units import positive
from nanonet.records import InputError


def open_file(path: Path, dataset: str | None) -> Recording:
    """Read what a HyperSpy file says about its signal."""
    with opened(path) as file:
        experiments = file.get("Experiments")
        if not isinstance(experiments, h5py.Group):
            raise InputError(f"{path.name} is not a valid hspy file: it has no experiments")
        group = choose(path.name, dict(experiments.items()), dataset)
        return _recording(path, group)


def _recording(path: Path, group: h5py.Group) -> Recording:
    data = group["data"]
    if attribute(group["metadata/Signal"].attrs, "signal_type") in ("EELS", "EDS_TEM", "EDS_SEM", "CL"):
        raise InputError(f"{path.name} is a spectrum or a spectrum image, not an image")
    found = layout(path.name, list(_axes(group, data.shape)))
    instrument = group.get("metadata/Acquisition_instrument/TEM")
    about = instrument.attrs if instrument is not None else {}
    return Recording(
        frames=hdf5_frames(path, data, found),
        shape=found.shape,
        dtype=data.dtype,
        pixel=found.pixel,
        modality=detected_by(
            attribute(group["metadata/General"].attrs, "title") if "metadata/General" in group else None,
            scanning=str(attribute(about, "acquisition_mode")) == "STEM",
        ),
        energy=positive(attribute(about, "beam_energy"), 1e3),
        frame_time=found.frame_time,
    )


def _axes(group: h5py.Group, shape: tuple[int, ...]) -> Iterator[Axis]:
    for number, size in enumerate(shape):
        axis: Any = group.get(f"axis-{number}")
        about = axis.attrs if axis is not None else {}
        yield Axis(
            size=size,
            name=_known(attribute(about, "name")),
            scale=attribute(about, "scale"),
            unit=_known(attribute(about, "units")),
        )


def _known(text: Any) -> str:
    """Return a text, empty for HyperSpy's marks of what is not known."""
    return "" if text is None or str(text) in ("<undefined>", "_None_") else str(text)
