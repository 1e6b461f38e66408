"""The store of finished chunks of a run: a stopped run goes on after the last one, and memory stays small.

A folder holds store.json (the fingerprint of the run) and one file a chunk, chunk_000012.npz: data only, one
record array a table and one compressed page a map, described by a JSON text. Each file appears whole or not
at all and carries checksums (zip), so that a damaged one counts as not done.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nanonet.io.atomic import atomic_path
from nanonet.io.page import Page
from nanonet.io.table_arrays import table_from_array, table_to_array
from nanonet.records import FrameResult, InputError

Made = TypeVar("Made")

_FORMAT = 2
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

    def write(self, index: int, results: Sequence[FrameResult | PackedFrame]) -> None:
        """Store the results of chunk ``index``, replacing what was there; packed ones take hardly any time.

        Raises
        ------
        ValueError
            If a column or map holds objects other than text, numbers and truth values.
        InputError
            If the disk refuses.
        """
        packed = [pack(result) if isinstance(result, FrameResult) else result for result in results]
        frames = [{"number": i, **frame.entry} for i, frame in enumerate(packed)]
        header = json.dumps({"format": _FORMAT, "index": index, "frames": frames})
        arrays = {_HEADER: np.frombuffer(header.encode("ascii"), dtype=np.uint8)}
        pages: dict[str, bytes] = {}
        for i, frame in enumerate(packed):
            arrays |= {f"frame{i}_table{j}": array for j, array in enumerate(frame.tables)}
            pages |= {f"frame{i}_map{j}": page.data for j, page in enumerate(frame.pages)}
        with atomic_path(self._file(index)) as temporary:
            _write_archive(temporary, arrays, pages)

    def read(self, index: int, maps: Collection[str] | None = None) -> tuple[FrameResult, ...]:
        """Return the results of chunk ``index``, with these of its maps; None for all.

        Raises
        ------
        InputError
            If it is missing or damaged.
        """
        return self._of_frames(index, partial(_unpack_frame, maps=maps))

    def _of_frames(self, index: int, made: Callable[[Mapping[str, Any], Any], Made]) -> tuple[Made, ...]:
        """Return what is made of each frame of chunk ``index``, from what is said of it and the archive."""
        try:
            with np.load(self._file(index), allow_pickle=False) as archive:
                return tuple(made(entry, archive) for entry in _frame_entries(archive, index))
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

    def pages(self, n_chunks: int, name: str) -> Iterator[Page]:
        """Yield one map of all frames as it is stored, one chunk in memory at a time."""
        for index in range(n_chunks):
            yield from self._of_frames(index, partial(_page, name=name))

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


def _write_archive(path: Path, arrays: Mapping[str, np.ndarray], pages: Mapping[str, bytes]) -> None:
    """Write an npz of modest compression, with pages that are compressed already."""

    def member(name: str) -> zipfile.ZipInfo:
        # A fixed date, so that equal results make equal files.
        return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))

    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, array, allow_pickle=False)
            # Said here: of the archive's own level a member that is described knows nothing.
            archive.writestr(member(f"{name}.npy"), data.getbuffer(), zipfile.ZIP_DEFLATED, _COMPRESSION)
        for name, page in pages.items():
            archive.writestr(member(name), page, zipfile.ZIP_STORED)


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


@dataclass(frozen=True, kw_only=True)
class PackedFrame:
    """The result of a frame as it is stored: ``entry`` describes tables and pages."""

    entry: Mapping[str, Any]
    tables: tuple[np.ndarray, ...]
    pages: tuple[Page, ...]


def pack(result: FrameResult) -> PackedFrame:
    """Return a result as it is stored: the work of storing it that can be done beside that of other frames.

    Raises
    ------
    ValueError
        If a column or map holds objects other than text, numbers and truth values.
    """
    tables = [table_to_array(table) for table in result.tables]
    pages = {name: Page.of(np.asarray(array)) for name, array in result.maps.items()}
    entry = {
        "frame": int(result.frame),
        "tables": [description for _, description in tables],
        "maps": [[name, list(page.shape), page.dtype] for name, page in pages.items()],
        "warnings": list(result.warnings),
    }
    return PackedFrame(entry=entry, tables=tuple(array for array, _ in tables), pages=tuple(pages.values()))


def _unpack_frame(entry: Mapping[str, Any], archive: Any, maps: Collection[str] | None) -> FrameResult:
    number = entry["number"]
    names = [name for name, *_ in entry["maps"] if maps is None or name in maps]
    return FrameResult(
        frame=entry["frame"],
        tables=tuple(
            table_from_array(archive[f"frame{number}_table{i}"], description)
            for i, description in enumerate(entry["tables"])
        ),
        maps={name: _page(entry, archive, name).image() for name in names},
        warnings=tuple(entry["warnings"]),
    )


def _page(entry: Mapping[str, Any], archive: Any, name: str) -> Page:
    index = [known for known, *_ in entry["maps"]].index(name)
    _, shape, dtype = entry["maps"][index]
    return Page(data=archive[f"frame{entry['number']}_map{index}"], shape=tuple(shape), dtype=dtype)
