"""What a simulation was asked for, as config nodes that make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nanonet.records import InputError


def as_node(value: Any) -> Any:
    """Return a value as what JSON and YAML hold; a dataclass becomes a node with its ``_target_``.

    ``nanonet.configuration.build`` makes an equal object of the node, except that tuples and arrays are lists
    there. All fields are listed, also those that have their defaults: another version may have others.

    Raises
    ------
    InputError
        If a value is of a kind that a config cannot hold.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        given = {field.name: as_node(getattr(value, field.name)) for field in fields(value) if field.init}
        return {"_target_": f"{kind.__module__}.{kind.__qualname__}", **given}
    if isinstance(value, Mapping):
        return {str(key): as_node(item) for key, item in value.items()}
    if isinstance(value, (Sequence, frozenset, set)):
        return [as_node(item) for item in (value if isinstance(value, Sequence) else sorted(value))]
    if isinstance(value, (np.ndarray, np.generic)):
        return as_node(value.tolist())
    if isinstance(value, Path):
        return str(value)
    raise InputError(
        f"a {type(value).__name__} cannot be written into a manifest: make it a frozen dataclass of numbers, "
        "texts, sequences and mappings"
    )
