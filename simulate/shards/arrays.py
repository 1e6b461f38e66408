"""Named arrays and attributes in one file: a zarr (version 3) group in a zip, nothing in it compressed.

Any zarr reads it, as ``zarr.open_group(zarr.storage.ZipStore(path))``. It is one file a structure, as 10⁵
folders of a dozen files each use up a disk's file table, and it is read at once: zarr's own way through a
zip takes several times longer.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nanonet.io.atomic import atomic_path

_NODE = "zarr.json"
_WHEN = (1980, 1, 1, 0, 0, 0)
"""The time of every entry, so that the same arrays make the same bytes."""
_HEADER_BYTES = 30


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> None:
    """Write arrays under their names (a/b lies in the group a) and attributes; all or nothing appears.

    Integers take as few bytes as they need, and an array of zeros none.
    """
    import zarr

    store = zarr.storage.MemoryStore()
    group = zarr.open_group(store, mode="w", zarr_format=3, attributes=dict(attributes))
    for name, array in arrays.items():
        # One chunk an array: whoever reads a structure reads all of it.
        chunks = tuple(max(length, 1) for length in array.shape)
        narrow = _narrowest(np.asarray(array, order="C"))
        kept = {"attributes": {"dtype": array.dtype.name}} if narrow.dtype != array.dtype else {}
        group.create_array(name, data=narrow, chunks=chunks, compressors=None, **kept)
    entries = store._store_dict
    with atomic_path(path) as hidden, zipfile.ZipFile(hidden, "w", zipfile.ZIP_STORED) as file:
        for name in sorted(entries):
            file.writestr(zipfile.ZipInfo(name, _WHEN), entries[name].to_bytes())


def _narrowest(array: np.ndarray) -> np.ndarray:
    """Return integers in the smallest type that holds them, anything else as it is."""
    if array.dtype.kind not in "iu" or not array.size:
        return array
    least = np.result_type(np.min_scalar_type(array.min()), np.min_scalar_type(array.max()))
    # By name, as numpy has two types of 64 bits of which zarr knows one; -1 with 2⁶³ would give a float.
    return array.astype(least.name) if least.kind in "iu" else array


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and attributes of a file that `write_arrays` wrote, with the types they had.

    Raises
    ------
    OSError, ValueError, KeyError
        If it is missing or damaged: the checksum of every array is looked at.
    """
    entries = _entries(path)
    arrays, attributes = {}, {}
    for name, data in entries.items():
        if not name.endswith(_NODE):
            continue
        node = json.loads(bytes(data))
        if node["node_type"] == "array":
            folder = name.removesuffix(_NODE)
            arrays[folder.rstrip("/")] = _array(node, entries, folder)
        elif name == _NODE:
            attributes = node["attributes"]
    return arrays, attributes


def _entries(path: Path) -> dict[str, memoryview]:
    """Return the contents of an uncompressed zip, as parts of one buffer."""
    buffer = bytearray(path.read_bytes())
    view, found = memoryview(buffer), {}
    try:
        with zipfile.ZipFile(io.BytesIO(buffer)) as file:
            infos = file.infolist()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is no zip") from error
    for info in infos:
        # The lengths of name and extra field are in the local header, before the data.
        lengths = info.header_offset + 26
        name, extra = (int.from_bytes(view[at : at + 2], "little") for at in (lengths, lengths + 2))
        start = info.header_offset + _HEADER_BYTES + name + extra
        data = view[start : start + info.file_size]
        if info.compress_type != zipfile.ZIP_STORED or zlib.crc32(data) != info.CRC:
            raise ValueError(f"{info.filename} of {path} is damaged")
        found[info.filename] = data
    return found


def _array(node: Mapping[str, Any], entries: Mapping[str, memoryview], folder: str) -> np.ndarray:
    """Return an array of one chunk; zarr leaves out a chunk that holds the fill value only."""
    shape, kind = tuple(node["shape"]), np.dtype(node["data_type"]).newbyteorder("<")
    wanted = np.dtype(node.get("attributes", {}).get("dtype", node["data_type"]))
    data = entries.get(folder + "/".join(["c", *["0"] * len(shape)]))
    if data is None or not len(data):
        fill = False if kind.kind == "b" else 0
        return np.full(shape, fill, dtype=wanted)
    # A copy: aligned, one's own to write to, and free of the file's other arrays.
    return np.frombuffer(data, dtype=kind).reshape(shape).astype(wanted, copy=True)
