"""3D maps: read as a series of z sections, and put together as a volume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nanonet.io.errors import reading
from nanonet.io.read import LazyFrames, read_series
from nanonet.io.readers.mrc import SECTIONS
from nanonet.records import InputError, Series, Volume

_SAME = 0.01
"""By how much the edges of a voxel may differ, relatively."""


def read_map(input: str | Path, *, pixel_size: float | None = None) -> Series:  # noqa: A002 - the user's name
    """Open a 3D map as the series of its z sections.

    Parameters
    ----------
    input
        One file: mrc, tif, npy, emd, hspy, dm3, dm4.
    pixel_size
        Edge of a voxel [Å]; None takes it from the file. A file that says otherwise is noted.

    Raises
    ------
    InputError
        If it is no 3D map, its voxels are not cubic, or their size is known neither from the file nor from
        the user.
    """
    series = read_series(input, pixel_size=pixel_size)
    if len(series.stacks) != 1:
        raise InputError(f"{series.name} holds {len(series.stacks)} files: give one 3D map")
    stack = series.stacks[0]
    if len(series) < 2:
        shape = " x ".join(str(n) for n in stack.shape[1:])
        raise InputError(f"{series.name} is a 2D image of {shape} pixels: atoms need a 3D map")
    resampled = isinstance(stack.frames, LazyFrames) and stack.frames.grid is not None
    step = _z_step(Path(str(stack.path)))
    odd = step is not None and stack.pixel_size is not None and _differ(step, stack.pixel_size)
    if resampled or (odd and pixel_size is None):
        raise InputError(f"{series.name} has voxels that are not cubic: resample it first")
    notes = [note for note in stack.notes if SECTIONS not in note]
    if odd and not notes:
        notes.append(f"the file says that sections are {step:g} Å apart: taken as {pixel_size:g} Å, as given")
    return Series(name=series.name, stacks=(replace(stack, notes=tuple(notes)),))


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > _SAME * other


def _z_step(path: Path) -> float | None:
    """Return the distance of sections [Å] that an MRC file tells, None of others."""
    if path.suffix.lower() not in (".mrc", ".map", ".rec"):
        return None
    import mrcfile

    with reading(path), mrcfile.open(path, permissive=True, header_only=True) as mrc:
        return float(mrc.voxel_size.z) or None


def volume_of(series: Series, halves: tuple[Series, Series] | None = None) -> Volume:
    """Return the map of a series of sections, with its half maps if any.

    Raises
    ------
    InputError
        If the halves differ from the map in shape, or the map's voxel size is not known.
    """
    voxel_size = series.pixel_size
    if voxel_size is None:
        raise InputError(f"{series.name}: atoms need a voxel size: give read.pixel_size=0.3 (Å)")
    density = _stacked(series)
    if halves is None:
        return Volume(density=density, voxel_size=voxel_size)
    first, second = (_stacked(half) for half in halves)
    for half, name in ((first, halves[0].name), (second, halves[1].name)):
        if half.shape != density.shape:
            raise InputError(f"{name} has shape {half.shape} (z, y, x), the map has {density.shape}")
    return Volume(density=density, voxel_size=voxel_size, half_maps=(first, second))


def _stacked(series: Series) -> np.ndarray:
    return np.stack([micrograph.image for micrograph in series])
