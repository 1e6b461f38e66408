"""What the user names, a file, a folder, a pattern or a list of these, to image files in natural order."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from nanonet.records import InputError

FORMATS = {
    ".dm3": "digital_micrograph",
    ".dm4": "digital_micrograph",
    ".emd": "emd",
    ".ser": "tia",
    ".mrc": "mrc",
    ".mrcs": "mrc",
    ".tif": "tif",
    ".tiff": "tif",
    ".hspy": "hspy",
    ".npy": "arrays",
    ".npz": "arrays",
    ".png": "pictures",
    ".jpg": "pictures",
    ".jpeg": "pictures",
    ".bmp": "pictures",
}


def find_files(named: str | Path | Sequence[str]) -> tuple[str, list[Path], list[str]]:
    """Return a name for all, the image files in natural order, and the names of what was ignored.

    Raises
    ------
    InputError
        If nothing is there, or nothing of what is there is an image.
    """
    if not isinstance(named, str | Path):
        return _of_list([str(item) for item in named])
    text = str(named)
    if not text.strip():
        raise InputError("no input is given: name a file, a folder or a pattern, e.g. input=movie.dm4")
    several = re.fullmatch(r"\s*\[(.*)\]\s*", text)
    try:
        if several and not Path(text).exists():  # as a list is typed: input=[a.tif,b.tif]
            return _of_list([item.strip(" '\"") for item in several[1].split(",") if item.strip()])
        return _of_name(text, Path(text).expanduser())
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"input {text[:100]!r} cannot be read: {reason}") from error


def _of_name(text: str, path: Path) -> tuple[str, list[Path], list[str]]:
    if path.is_dir():
        return (path.resolve().name, *_of_folder(path))
    if path.exists():
        return path.name, _of_file(path), []
    if any(sign in text for sign in "*?["):
        return (path.name, *_images(text, _matches(path)))
    raise InputError(f"input {text} does not exist")


def _of_list(items: list[str]) -> tuple[str, list[Path], list[str]]:
    if not items:
        raise InputError("no input is given: the list of files is empty")
    found = [find_files(item) for item in items]
    name = found[0][0] if len(found) == 1 else f"{found[0][0]} and {len(found) - 1} more"
    return name, [path for _, paths, _ in found for path in paths], [i for _, _, left in found for i in left]


def _of_folder(folder: Path) -> tuple[list[Path], list[str]]:
    return _images(f"folder {folder}", folder.iterdir())


def _matches(pattern: Path) -> list[Path]:
    found = glob.glob(str(pattern), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    return [Path(name) for name in found]


def _images(what: str, paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    visible = sorted((path for path in paths if not path.name.startswith(".")), key=natural)
    images = [path for path in visible if path.suffix.lower() in FORMATS and path.is_file()]
    ignored = [path.name for path in visible if path not in set(images)]
    if not images:
        there = f"; it holds {listed(ignored)}" if ignored else ""
        raise InputError(f"{what} holds no image ({', '.join(sorted(FORMATS))}){there}")
    return images, ignored


def _of_file(path: Path) -> list[Path]:
    if path.suffix.lower() == ".emi":
        return _series_of(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            f"{path.name} has no suffix of an image that can be read: {', '.join(sorted(FORMATS))}"
        )
    return [path]


def _series_of(emi: Path) -> list[Path]:
    """Return the ``.ser`` files that belong to an ``.emi``: NAME_1.ser, NAME_2.ser, ..."""
    pattern = re.compile(re.escape(emi.stem) + r"_\d+\.ser", re.IGNORECASE)
    found = sorted((path for path in emi.parent.iterdir() if pattern.fullmatch(path.name)), key=natural)
    if not found:
        raise InputError(f"{emi.name} only describes its images: {emi.stem}_1.ser is missing beside it")
    return found


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Return a key that sorts frame2 before frame10."""
    parts = re.split(r"(\d+)", str(path).lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return names for a message, the first few of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
