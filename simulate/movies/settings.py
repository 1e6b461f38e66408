"""Single values of a drawn setting, found wherever in it they are: focus, dose, motion within a frame."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

Record = TypeVar("Record")


def has_value(setting: object, name: str) -> bool:
    """Whether a record, or one within it, has a field of that name."""
    return any(
        field.name == name or has_value(getattr(setting, field.name), name) for field in _fields(setting)
    )


def value_of(setting: object, name: str) -> Any:
    """Return the field of that name of a record, or of one within it.

    Raises
    ------
    KeyError
        If there is none.
    """
    inner = [getattr(setting, field.name) for field in _fields(setting) if field.name != name]
    if any(field.name == name for field in _fields(setting)):
        return getattr(setting, name)
    for record in inner:
        if has_value(record, name):
            return value_of(record, name)
    raise KeyError(name)


def with_value(setting: Record, name: str, value: object) -> Record:
    """Return a record in which every field of that name has another value, in those within it too."""
    changed: dict[str, Any] = {}
    for field in _fields(setting):
        if field.name == name:
            changed[name] = value
        elif has_value(getattr(setting, field.name), name):
            changed[field.name] = with_value(getattr(setting, field.name), name, value)
    return replace(setting, **changed) if changed else setting  # type: ignore[type-var]


def _fields(record: object) -> tuple[Any, ...]:
    """Return the fields that a record is made with; none for anything else."""
    if not is_dataclass(record) or isinstance(record, type):
        return ()
    return tuple(field for field in fields(record) if field.init)
