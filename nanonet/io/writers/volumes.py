"""3D maps as MRC2014."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nanonet.io.atomic import atomic_path
from nanonet.records import Volume


def write_mrc(path: str | os.PathLike[str], volume: Volume) -> tuple[Path, ...]:
    """Write a map, and its half maps beside it as NAME_half1.mrc and NAME_half2.mrc.

    Parameters
    ----------
    path
        Where to write, .mrc.
    volume
        Stored as float32 with its voxel size [Å], origin 0 at the centre of voxel 0, axes x, y, z.

    Returns
    -------
    tuple of Path
        The files written: the map, then its halves if it has them.

    Raises
    ------
    InputError
        If the disk refuses.
    """
    path = Path(path)
    maps = {path: volume.density}
    for number, half in enumerate(volume.half_maps or (), start=1):
        maps[path.with_name(f"{path.stem}_half{number}{path.suffix}")] = half
    for place, density in maps.items():
        _write_map(place, density, volume.voxel_size)
    return tuple(maps)


def _write_map(path: Path, density: Float[np.ndarray, "z y x"], voxel_size: float) -> None:
    import mrcfile

    with atomic_path(path) as temporary, mrcfile.new(temporary, overwrite=True) as mrc:
        mrc.set_data(np.asarray(density, dtype=np.float32))
        mrc.set_volume()
        mrc.voxel_size = voxel_size
        mrc.header.origin = (0.0, 0.0, 0.0)
        mrc.header.label[0] = "nanonet"  # in place of the time, by which equal results would differ
