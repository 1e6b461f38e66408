"""Files that appear whole or not at all: written under a hidden name, then moved into place.

A file under its final name is therefore always complete, and an older file of that name outlives a failed
write. What the operating system refuses (no space, no right, no such folder) becomes one `InputError` line.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from nanonet.records import InputError

_NAME_BYTES = 255  # the longest file name of ext4, xfs, APFS and NTFS
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REMEDIES: dict[int, str] = {
    **dict.fromkeys(_FULL, "disk full: {path} could not be written, free space or choose another output="),
    errno.EACCES: "no permission to write {path}: choose another output= or change its permissions",
    errno.EPERM: "no permission to write {path}: choose another output= or change its permissions",
    errno.EROFS: "{path} lies on a read-only disk: choose another output=",
    errno.ENOTDIR: "a part of the path {path} is a file, not a folder: choose another output=",
    errno.EEXIST: "a part of the path {path} is a file, not a folder: choose another output=",
    errno.EISDIR: "{path} is a folder, a file cannot take its place: choose another output= or remove it",
    errno.ENAMETOOLONG: "the path is too long for this disk: choose a shorter output= than {path}",
    errno.ELOOP: "{path} is a link that leads back to itself: choose another output=",
    errno.EIO: "the disk reports an error on writing {path}: check the disk or choose another output=",
}


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a hidden path beside ``path`` to write to; move it to ``path`` when the block ends well.

    The bytes are on the disk (fsync) before the name changes. On any failure, an interrupt too, the hidden
    file is removed and what was at ``path`` stays. Parent folders are made; a link is written through.

    Parameters
    ----------
    path
        Where the file is to appear.

    Yields
    ------
    Path
        In the same folder, with the same suffix, its name beginning with a dot. The block must create it.

    Raises
    ------
    InputError
        If the disk is full or the place cannot be written to, naming ``path`` and the remedy.
    """
    target = Path(path)
    with _said_plainly(target):
        real = Path(os.path.realpath(target))
        real.parent.mkdir(parents=True, exist_ok=True)
        if real.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        temporary = real.with_name(_hidden_name(real))
        try:
            yield temporary
            _flush_to_disk(temporary)
            temporary.replace(real)
            _flush_folder(real.parent)
        except BaseException:
            # Whatever removing may raise, the first error is the one to tell.
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


def _hidden_name(path: Path) -> str:
    """Return an unused hidden name with the suffix of ``path``, no longer than a file system allows."""
    end = f".{secrets.token_hex(4)}{path.suffix}"
    if len(os.fsencode(path.name)) > _NAME_BYTES:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
    stem = os.fsencode(path.stem)[: _NAME_BYTES - 1 - len(os.fsencode(end))]
    return "." + stem.decode("utf-8", errors="ignore") + end


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make the new name itself durable, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _said_plainly(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one line for the user; other errors pass as they are."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        number = _system_error(error)
        if number not in _REMEDIES:
            raise
        raise InputError(_REMEDIES[number].format(path=path)) from error


def _system_error(error: BaseException) -> int | None:
    """Return the errno behind ``error``: its own, that of an error it wraps, or the one in HDF5's message."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    message = str(error)
    if isinstance(error, OSError) and re.search(r"\d+ requested and \d+ written", message):
        return errno.ENOSPC  # numpy's tofile gives no errno
    if found := re.search(r"errno = (\d+)", message):
        return int(found.group(1))
    wrapped = [error.__cause__, error.__context__, *error.args]
    inner = (_system_error(item) for item in wrapped if isinstance(item, BaseException))
    return next((number for number in inner if number), None)
