"""One run a folder at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nanonet.records import InputError


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; the system lets go of it when the process ends, however it ends.

    Where the system has no such locks (Windows, some network disks) nothing is held.

    Raises
    ------
    InputError
        If another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    path = folder / "lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another run is at work in {folder.parent}: wait for it, or name another output="
            ) from error
        except OSError:
            pass  # a disk without locks
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
