"""Shards: one zarr group a structure, with its exit waves, atoms and columns. Whole or absent, never half.

A folder of shards holds `manifest.json` (recipe, seed, versions) and `structure_000000.zarr`, ... Each is
written beside its place and renamed into it, so that a run that is killed leaves no broken shard.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nanonet.records import InputError
from simulate.exit_wave import ExitWaves
from simulate.truth import Columns

MANIFEST = "manifest.json"
FORMAT = "nanonet-exit-waves"
FORMAT_VERSION = 1
_ARRAYS = ("waves", "positions", "numbers", "column_ids", "column_positions", "column_depths")


@dataclass(frozen=True, kw_only=True)
class Shard:
    """What is stored of a structure.

    Parameters
    ----------
    structure
        Its index.
    positions, numbers
        (n, 3) (x, y, z) [Å] and (n,) of the atoms at rest, in the frame of the waves.
    about
        Plain facts: material, zone axis, mistilt [degrees], ...
    """

    structure: int
    exit_waves: ExitWaves
    positions: Float[np.ndarray, "n 3"]
    numbers: Int[np.ndarray, " n"]
    columns: Columns
    about: Mapping[str, Any]


def shard_path(folder: Path, structure: int) -> Path:
    """Return where the shard of a structure lies."""
    return folder / f"structure_{structure:06d}.zarr"


def find_shards(folder: Path) -> list[int]:
    """Return the structures whose shards are there, in order."""
    return sorted(int(path.stem.removeprefix("structure_")) for path in folder.glob("structure_??????.zarr"))


def write_shard(folder: Path, shard: Shard) -> Path:
    """Write a shard; it appears whole or not at all."""
    import zarr

    path = shard_path(folder, shard.structure)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    group = zarr.open_group(partial, mode="w", zarr_format=3)
    arrays = (
        shard.exit_waves.waves,
        shard.positions,
        shard.numbers,
        shard.columns.ids,
        shard.columns.positions,
        shard.columns.depths,
    )
    for name, array in zip(_ARRAYS, arrays, strict=True):
        # Waves do not compress, and one chunk an array is read at once: a structure is drawn from whole.
        group.create_array(name, data=np.ascontiguousarray(array), chunks=array.shape, compressors=None)
    group.attrs.update(
        {
            "structure": shard.structure,
            "sampling": shard.exit_waves.sampling,
            "energy": shard.exit_waves.energy,
            **shard.about,
        }
    )
    shutil.rmtree(path, ignore_errors=True)
    partial.rename(path)
    return path


def read_shard(folder: Path, structure: int) -> Shard:
    """Read the shard of a structure.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    import zarr

    path = shard_path(folder, structure)
    try:
        group = zarr.open_group(path, mode="r")
        arrays = {name: np.asarray(group[name]) for name in _ARRAYS}
        about = dict(group.attrs)
        return Shard(
            structure=structure,
            exit_waves=ExitWaves(
                waves=arrays["waves"],
                sampling=float(about.pop("sampling")),
                energy=float(about.pop("energy")),
            ),
            positions=arrays["positions"],
            numbers=arrays["numbers"],
            columns=Columns(
                ids=arrays["column_ids"],
                positions=arrays["column_positions"],
                depths=arrays["column_depths"],
            ),
            about={key: value for key, value in about.items() if key != "structure"},
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"the shard {path} cannot be read: delete it and simulate again") from error


def begin(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Make a folder ready for shards of one recipe: write its manifest, or check that the old one agrees.

    Raises
    ------
    InputError
        If the folder holds shards of another recipe or seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new = json.loads(json.dumps({"format": FORMAT, "format_version": FORMAT_VERSION, **manifest}))
    path = folder / MANIFEST
    if path.exists():
        old = read_manifest(folder)
        for key in ("recipe", "seed"):
            if old.get(key) != new.get(key):
                raise InputError(f"{folder} holds shards of another {key}: choose another output")
    elif any(folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no shards: choose another output")
    for left in folder.glob(".structure_*.partial"):
        shutil.rmtree(left, ignore_errors=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(new, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder of shards.

    Raises
    ------
    InputError
        If there is none, or one of another format.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} holds no shards: make them with nanonet simulate") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{path} is not the manifest of shards: make them with nanonet simulate")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise InputError(f"{path} has format version {manifest.get('format_version')}, not {FORMAT_VERSION}")
    return manifest
