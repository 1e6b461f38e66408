"""Whatever a library raises on a bad file becomes one clear line, and libraries keep quiet."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nanonet.records import InputError

_TALKATIVE = ("rsciio", "tifffile", "PIL", "mrcfile", "h5py")
_SIGNATURES = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"BM": "a BMP picture",
    b"GIF8": "a GIF picture",
    b"II*\x00": "a TIFF",
    b"MM\x00*": "a TIFF",
    b"II+\x00": "a BigTIFF",
    b"\x89HDF": "an HDF5 file (emd, hspy)",
    b"PK\x03\x04": "a zip archive (npz)",
    b"\x93NUMPY": "a NumPy array (npy)",
    b"II\x97\x01": "a TIA series (ser)",
    b"\x00\x00\x00\x03\x00": "a DM3 file",
    b"\x00\x00\x00\x04\x00": "a DM4 file",
    b"%PDF": "a PDF",
}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the readers' warnings and log lines from the user's screen."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn all that goes wrong while a file is read into an `InputError` of one line that names the file."""
    try:
        with quiet():
            yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path.name} does not exist (any more): {path}") from error
    except PermissionError as error:
        raise InputError(f"{path.name} cannot be read: permission denied for {path}") from error
    except MemoryError as error:
        raise InputError(f"{path.name} needs more memory than there is, or is damaged") from error
    except Exception as error:
        raise InputError(_what_is_wrong(path, error)) from error


def _what_is_wrong(path: Path, error: Exception) -> str:
    kind = path.suffix.lstrip(".").lower()
    seems = looks_like(path)
    own = seems is None or kind.replace("jpg", "jpeg") in seems.lower()
    hint = "" if own else f"; it looks like {seems}"
    reason = one_line(error)
    return f"{path.name} is not a valid {kind} file, or is damaged or cut short ({reason}){hint}"


def looks_like(path: Path) -> str | None:
    """Return what the first bytes of a file say that it is, None where they say nothing."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        return None
    return next((text for magic, text in _SIGNATURES.items() if head.startswith(magic)), None)


def one_line(error: BaseException, longest: int = 160) -> str:
    """Return an exception's kind and message on one line of bounded length."""
    text = " ".join(str(error).split())
    text = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
