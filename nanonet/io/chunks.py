"""The store of finished chunks of a run: a stopped run goes on after the last one, and memory stays small.

A folder holds store.json (the fingerprint of the run) and one file a chunk, chunk_000012.npz: data only, one
array a map and one record array a table, described by a JSON text. Each file appears whole or not at all and
carries checksums (zip), so that a damaged one counts as not done.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nanonet.io.atomic import atomic_path
from nanonet.io.table_arrays import table_from_array, table_to_array
from nanonet.records import FrameResult, InputError

_FORMAT = 1
_STORE = "store.json"
_HEADER = "header"
_COMPRESSION = 1  # several times as fast as numpy's 6, and loses little


class ChunkStore:
    """Finished chunks of one run.

    Parameters
    ----------
    folder
        Made if it is not there.
    fingerprint
        What tells this run from others: a hash of settings, inputs and versions.

    Raises
    ------
    InputError
        If the folder holds chunks of another run, or cannot be written to.
    """

    def __init__(self, folder: str | os.PathLike[str], fingerprint: str) -> None:
        self.folder = Path(folder)
        self.fingerprint = fingerprint
        identity = {"format": _FORMAT, "fingerprint": fingerprint}
        found = self._identity()
        if found is None or self._is_of_nothing(found):
            with atomic_path(self.folder / _STORE) as temporary:
                temporary.write_text(json.dumps(identity), encoding="utf-8")
        elif found != identity:
            raise InputError(
                f"{self.folder} holds an unfinished run with other settings or input: "
                "choose another output= or delete that folder"
            )

    def done(self) -> set[int]:
        """Return which chunks are there and undamaged; every byte of them is checked."""
        numbers = (int(path.stem.removeprefix("chunk_")) for path in self._files())
        return {number for number in numbers if _is_whole(self._file(number), number)}

    def write(self, index: int, results: Sequence[FrameResult]) -> None:
        """Store the results of chunk ``index``, replacing what was there.

        Raises
        ------
        ValueError
            If a column or map holds objects other than text, numbers and truth values.
        InputError
            If the disk refuses.
        """
        arrays: dict[str, np.ndarray] = {}
        frames = [_pack_frame(i, result, arrays) for i, result in enumerate(results)]
        header = json.dumps({"format": _FORMAT, "index": index, "frames": frames})
        arrays[_HEADER] = np.frombuffer(header.encode("ascii"), dtype=np.uint8)
        with atomic_path(self._file(index)) as temporary:
            _write_arrays(temporary, arrays)

    def read(self, index: int, maps: Collection[str] | None = None) -> tuple[FrameResult, ...]:
        """Return the results of chunk ``index``, with these of its maps; None for all.

        Raises
        ------
        InputError
            If it is missing or damaged.
        """
        try:
            with np.load(self._file(index), allow_pickle=False) as arrays:
                return tuple(_unpack_frame(entry, arrays, maps) for entry in _frame_entries(arrays, index))
        # Damage can surface as nearly anything: in the zip, the compression, the array header or the JSON.
        except Exception as error:
            raise InputError(
                f"chunk {index} in {self.folder} is missing or damaged ({type(error).__name__}): "
                "start the run again to make it anew"
            ) from error

    def results(self, n_chunks: int, maps: Collection[str] | None = None) -> Iterator[FrameResult]:
        """Yield the results of chunks 0 to ``n_chunks`` - 1 in order, one chunk in memory at a time."""
        for index in range(n_chunks):
            yield from self.read(index, maps)

    def remove(self) -> None:
        """Delete the store: its own files, then the folder if nothing else lies in it."""
        leftovers = [*self.folder.glob(".chunk_*.npz"), *self.folder.glob(".store.*.json")]
        for path in (*self._files(), *leftovers, self.folder / _STORE):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _is_of_nothing(self, found: object) -> bool:
        """Return whether the run that claimed the store ended before its first chunk."""
        return isinstance(found, dict) and found.get("format") == _FORMAT and not self._files()

    def _file(self, index: int) -> Path:
        return self.folder / f"chunk_{index:06d}.npz"

    def _files(self) -> list[Path]:
        found = (path for path in self.folder.glob("chunk_*.npz"))
        return sorted(path for path in found if path.stem.removeprefix("chunk_").isdecimal())

    def _identity(self) -> object:
        """Return what store.json says, None where the folder holds no store yet."""
        path = self.folder / _STORE
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return "chunks without store.json" if self._files() else None
        except ValueError:
            return "damaged"
        except OSError as error:
            raise InputError(f"{path} cannot be read: choose another output=") from error


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an npz of modest compression."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            # A fixed date, so that equal results make equal files.
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            data = io.BytesIO()
            np.lib.format.write_array(data, array, allow_pickle=False)
            # Said here: of the archive's own level a member that is described knows nothing.
            archive.writestr(member, data.getbuffer(), zipfile.ZIP_DEFLATED, _COMPRESSION)


def _frame_entries(arrays: Mapping[str, np.ndarray], index: int) -> list[dict[str, Any]]:
    """Return what the JSON text says of each frame, after seeing that it speaks of chunk ``index``."""
    header = json.loads(arrays[_HEADER].tobytes())
    if header["index"] != index or header["format"] != _FORMAT:
        raise ValueError(f"it says that it is chunk {header['index']} in format {header['format']}")
    entries: list[dict[str, Any]] = header["frames"]
    return entries


def _is_whole(path: Path, index: int) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return False
        with np.load(path, allow_pickle=False) as arrays:
            _frame_entries(arrays, index)
        return True
    # As in `ChunkStore.read`: whatever is wrong with it, it will be made anew.
    except Exception:
        return False


def _pack_frame(number: int, result: FrameResult, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Put the arrays of one frame into ``arrays`` and return its part of the JSON text."""
    tables = []
    for i, table in enumerate(result.tables):
        arrays[f"frame{number}_table{i}"], description = table_to_array(table)
        tables.append(description)
    for i, array in enumerate(result.maps.values()):
        arrays[f"frame{number}_map{i}"] = np.asarray(array)
    return {
        "number": number,
        "frame": int(result.frame),
        "tables": tables,
        "maps": list(result.maps),
        "warnings": list(result.warnings),
    }


def _unpack_frame(
    entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray], maps: Collection[str] | None
) -> FrameResult:
    number = entry["number"]
    return FrameResult(
        frame=entry["frame"],
        tables=tuple(
            table_from_array(arrays[f"frame{number}_table{i}"], description)
            for i, description in enumerate(entry["tables"])
        ),
        maps={
            name: arrays[f"frame{number}_map{i}"]
            for i, name in enumerate(entry["maps"])
            if maps is None or name in maps
        },
        warnings=tuple(entry["warnings"]),
    )
