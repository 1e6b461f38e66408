"""Shards: one file a structure, with what its imaging stores and its atoms. Whole or absent, never half.

A folder of shards holds `manifest.json` (recipe, seed, versions) and `structure_000000.zarr.zip`, ...
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanonet.records import InputError
from simulate.shards.arrays import read_arrays, write_arrays

if TYPE_CHECKING:
    from ase import Atoms

_PREFIX, _SUFFIX = "structure_", ".zarr.zip"
_IMAGING, _ATOMS = "imaging/", "atoms/"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """What is stored of a structure.

    Parameters
    ----------
    structure
        Its index.
    side
        Edge of its box across the beam [Å].
    stored
        The arrays of its imaging, under the names that the imaging gives them.
    atoms
        In the box (its cell), with the per-atom arrays of `simulate.specimen`.
    about
        Plain facts: material, zone_axis, mistilt_degrees, ...
    """

    structure: int
    side: float
    stored: Mapping[str, np.ndarray]
    atoms: Atoms
    about: Mapping[str, Any]


def shard_path(folder: Path, structure: int) -> Path:
    """Return where the shard of a structure lies."""
    return folder / f"{_PREFIX}{structure:06d}{_SUFFIX}"


def find_shards(folder: Path) -> list[int]:
    """Return the structures whose shards are there, in order."""
    return sorted(shard_sizes(folder))


def shard_sizes(folder: Path, *, measure: bool = False) -> dict[int, int]:
    """Return the structures whose shards are there, each with its bytes if they are to be measured, or 0."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            number = name[len(_PREFIX) : -len(_SUFFIX)]
            if name.startswith(_PREFIX) and name.endswith(_SUFFIX) and number.isdigit():
                found[int(number)] = entry.stat().st_size if measure else 0
    return found


def remove_unfinished(folder: Path) -> None:
    """Remove what a run that was killed had begun to write."""
    with os.scandir(folder) as entries:
        left = [Path(entry.path) for entry in entries if entry.name.startswith(f".{_PREFIX}")]
    for path in left:
        path.unlink(missing_ok=True)


def write_shard(folder: Path, shard: Shard) -> Path:
    """Write a shard; it appears whole or not at all.

    Raises
    ------
    InputError
        If the disk is full, or the folder cannot be written to.
    """
    path = shard_path(folder, shard.structure)
    atoms = shard.atoms
    arrays = {_IMAGING + name: np.asarray(array) for name, array in shard.stored.items()}
    arrays |= {_ATOMS + name: array for name, array in atoms.arrays.items()}
    about = {
        "structure": shard.structure,
        "side": shard.side,
        "cell": np.asarray(atoms.cell).tolist(),
        "about": dict(shard.about),
    }
    write_arrays(path, arrays, about)
    return path


def read_shard(folder: Path, structure: int) -> Shard:
    """Read the shard of a structure; all comes back to the last bit, save that tuples in ``about`` are lists.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    from ase import Atoms

    path = shard_path(folder, structure)
    try:
        arrays, about = read_arrays(path)
        per_atom = _under(_ATOMS, arrays)
        atoms = Atoms(
            numbers=per_atom.pop("numbers"),
            positions=per_atom.pop("positions"),
            cell=about["cell"],
            pbc=True,
        )
        for name, array in per_atom.items():
            atoms.set_array(name, array)
        return Shard(
            structure=structure,
            side=float(about["side"]),
            stored=_under(_IMAGING, arrays),
            atoms=atoms,
            about=about["about"],
        )
    except FileNotFoundError as error:
        raise InputError(
            f"the shard {path} is missing: simulate again, which makes what is missing"
        ) from error
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"the shard {path} is damaged: delete it and simulate again") from error


def _under(group: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(group): array for name, array in arrays.items() if name.startswith(group)}
