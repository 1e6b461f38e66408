"""Frozen records of arrays and numbers as .npz: for what takes long to make, and may be stopped meanwhile."""

from __future__ import annotations

import os
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np

from nanonet.io.atomic import atomic_path

Record = TypeVar("Record")


def save_record(path: str | os.PathLike[str], record: Any) -> None:
    """Write a record, whole or not at all.

    Parameters
    ----------
    path
        .npz.
    record
        A dataclass whose fields are arrays, numbers, texts, None, tuples of these, or such dataclasses.

    Raises
    ------
    ValueError
        If it holds anything else.
    InputError
        If the disk refuses.
    """
    arrays = dict(_flat(record, ""))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load_record(path: str | os.PathLike[str], kind: type[Record]) -> Record | None:
    """Read a record of a class; None where there is none, or the file is damaged or of another class."""
    try:
        with np.load(Path(path), allow_pickle=False) as stored:
            made: Record = _rebuilt(kind, dict(stored), "")
            return made
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
        return None


def _flat(value: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    if value is None:
        return
    if is_dataclass(value):
        for field in fields(value):
            yield from _flat(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, tuple):
        yield f"{name}.length", np.array(len(value))
        for number, item in enumerate(value):
            yield from _flat(item, f"{name}.{number}")
    else:
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise ValueError(f"{name} cannot be stored: {type(value).__name__}")
        yield name, array


def _rebuilt(kind: Any, stored: Mapping[str, np.ndarray], name: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(**{f.name: _rebuilt(hints[f.name], stored, f"{name}.{f.name}") for f in fields(kind)})
    choices = [of for of in typing.get_args(kind) if of is not type(None)]
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        there = any(key == name or key.startswith(f"{name}.") for key in stored)
        return _rebuilt(choices[0], stored, name) if there else None
    if typing.get_origin(kind) is tuple:
        number = int(stored[f"{name}.length"])
        of = choices if len(choices) == number and choices[-1] is not Ellipsis else [choices[0]] * number
        return tuple(_rebuilt(item, stored, f"{name}.{i}") for i, item in enumerate(of))
    array = stored[name]
    return kind(array.item()) if kind in (float, int, str, bool) else array
