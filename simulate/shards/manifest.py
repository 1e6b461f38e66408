"""The manifest of a folder of shards: what it was made from, so that no other can get mixed in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanonet.configuration import build
from nanonet.io.atomic import atomic_path
from nanonet.records import InputError
from simulate.shards.store import find_shards, remove_unfinished

MANIFEST = "manifest.json"
FORMAT = "nanonet-shards"
FORMAT_VERSION = 2
LOCK = ".running"
"""Folder inside, of a run that is at work."""
_OWN = (LOCK, ".manifest.", ".structure_")


def begin(folder: Path, manifest: Mapping[str, Any]) -> list[int]:
    """Make a folder ready for shards of one recipe: write its manifest, or check that the old one agrees.

    Parameters
    ----------
    manifest
        recipe, seed, n_structures, versions, errors.

    Returns
    -------
    done
        The structures whose shards are there.

    Raises
    ------
    InputError
        If the folder holds shards of another recipe or seed, or something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new = json.loads(json.dumps({"format": FORMAT, "format_version": FORMAT_VERSION, **manifest}))
    if (folder / MANIFEST).exists():
        old = read_manifest(folder)
        for key in ("recipe", "seed"):
            if old.get(key) != new.get(key):
                change = _difference(old.get(key), new.get(key), key)
                raise InputError(f"{folder} holds shards of another {key} ({change}): choose another output")
    elif any(not path.name.startswith(_OWN) for path in folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no shards: choose another output")
    remove_unfinished(folder)
    write_manifest(folder, new)
    return find_shards(folder)


def _difference(old: Any, new: Any, where: str) -> str:
    """Return the first value that differs, as: structures.diameter 20 there, 30 now."""
    if isinstance(old, dict) and isinstance(new, dict):
        changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
        inner = where.removeprefix("recipe").lstrip(".")
        return _difference(old.get(changed[0]), new.get(changed[0]), f"{inner}.{changed[0]}".lstrip("."))
    return f"{where} {old} there, {new} now"


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest; an older one stays until the new one is whole."""
    with atomic_path(folder / MANIFEST) as hidden:
        hidden.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


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
    if not isinstance(manifest, dict) or not str(manifest.get("format")).startswith("nanonet-"):
        raise InputError(f"{path} is not the manifest of shards: make them with nanonet simulate")
    if (manifest.get("format"), manifest.get("format_version")) != (FORMAT, FORMAT_VERSION):
        raise InputError(f"{path} is of shards in another format: simulate them again with this version")
    return manifest


def recipe_part(manifest: Mapping[str, Any], part: str) -> Any:
    """Build what the shards were made with: their structures, environment, imaging or microscope.

    Raises
    ------
    InputError
        If the manifest lacks it, or its classes are of a package that is not trusted.
    """
    try:
        node = manifest["recipe"][part]
    except (KeyError, TypeError) as error:
        raise InputError(f"the manifest of the shards lacks recipe.{part}: simulate them again") from error
    return None if node is None else build(node)
