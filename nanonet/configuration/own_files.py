"""A config of the user's own, chosen by its path: ``structures=my/particle.yaml``."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nanonet.records import InputError

SUFFIXES = (".yaml", ".yml")


@contextmanager
def own_files(words: Sequence[str], groups: Collection[str]) -> Iterator[tuple[list[str], list[Path]]]:
    """Yield overrides in which files are variants of their group, and the folders to find these in.

    Parameters
    ----------
    words
        Overrides; ``group=FILE.yaml`` is taken for a file, anything else is left as it is.
    groups
        Names of the config groups.

    Raises
    ------
    InputError
        If there is no such file, or it holds no keys.
    """
    files = [_file(word, groups) for word in words]
    if not any(files):
        yield list(words), []
        return
    with tempfile.TemporaryDirectory() as temporary:
        chosen = []
        for number, (word, path) in enumerate(zip(words, files, strict=True)):
            if path is not None:
                group = word.partition("=")[0]
                name = f"own_file_{number}"
                _copy(path, Path(temporary) / group.lstrip("+") / f"{name}.yaml", word)
                word = f"{group}={name}"
            chosen.append(word)
        yield chosen, [Path(temporary)]


def _file(word: str, groups: Collection[str]) -> Path | None:
    group, _, value = word.partition("=")
    value = value.strip("'\"")
    if group.lstrip("+") in groups and value.endswith(SUFFIXES):
        return Path(value).expanduser()
    return None


def _copy(path: Path, place: Path, word: str) -> None:
    """Copy a file into a folder of configs, once it has been found to be one."""
    import yaml

    try:
        keys = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{word}: the file cannot be read ({getattr(error, 'strerror', error)})") from error
    except yaml.YAMLError as error:
        raise InputError(f"{word} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(keys, dict):
        raise InputError(f"{word} holds no keys: a config is lines of key: value")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, place)
