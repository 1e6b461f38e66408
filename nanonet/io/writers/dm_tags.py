"""The tag tree of Gatan DigitalMicrograph files, as bytes.

A file is a tree: groups (of named or numbered entries) and data tags, each of which carries a description of
its type. Structural numbers are big-endian, values little-endian. DM4 differs from DM3 in that structural
numbers have 64 bits and every entry is preceded by its length in bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

# Tags hold these scalars: code and little-endian layout.
_SCALARS: dict[type, tuple[int, str]] = {
    bool: (8, "<?"),
    int: (3, "<i"),
    np.uint32: (5, "<I"),
    float: (6, "<f"),  # as DigitalMicrograph itself writes calibrations
    np.float64: (7, "<d"),
}
_STRUCT, _ARRAY, _UNICODE = 15, 20, 4
_ENTRY_GROUP, _ENTRY_DATA = 20, 21


@dataclass(frozen=True)
class Pixels:
    """The place in the file that the frames go to: ``count`` values of the tag type ``code``."""

    count: int
    code: int
    itemsize: int

    def __len__(self) -> int:
        return self.count * self.itemsize


Tag: TypeAlias = (
    bool | int | float | str | np.generic | tuple[float, ...] | Pixels | Sequence["Tag"] | Mapping[str, "Tag"]
)
Segment: TypeAlias = bytes | Pixels


def layout(tree: Mapping[str, Tag], version: int) -> list[Segment]:
    """Return the whole file as pieces in order: bytes, and where the frames go a `Pixels`.

    Parameters
    ----------
    tree
        Tags by name.
    version
        3 or 4.
    """
    root = _merge([*_group(tree, version), bytes(8)])  # eight zeros close the file
    body = sum(map(len, root)) - 8
    header = struct.pack(">IIi", 3, body, 1) if version == 3 else struct.pack(">IQi", 4, body, 1)
    return _merge([header, *root])


def _group(entries: Mapping[str, Tag] | Sequence[Tag], version: int) -> list[Segment]:
    """Encode a group: sorted? open? number of entries, then each entry; named ones in the order of DM."""
    if isinstance(entries, Mapping):
        named = sorted(entries.items(), key=lambda entry: entry[0].lower())
    else:
        named = [("", tag) for tag in entries]
    head = struct.pack("BB", isinstance(entries, Mapping), 0) + _number(len(named), version)
    return [head, *(piece for name, tag in named for piece in _entry(name, tag, version))]


def _entry(name: str, tag: Tag, version: int) -> list[Segment]:
    """Encode an entry: its kind, its name, in DM4 its length, then a group or a data tag."""
    label = name.encode("latin-1")
    is_group = isinstance(tag, Mapping | list)
    body = _group(tag, version) if isinstance(tag, Mapping | list) else [b"%%%%", *_data(tag, version)]
    head = struct.pack(">BH", _ENTRY_GROUP if is_group else _ENTRY_DATA, len(label)) + label
    if version == 4:
        head += struct.pack(">Q", sum(map(len, body)))
    return [head, *body]


def _data(tag: Tag, version: int) -> list[Segment]:
    """Encode a value: the length of its type description, the description, the value."""
    if isinstance(tag, Pixels):
        return [_numbers((3, _ARRAY, tag.code, tag.count), version), tag]
    if isinstance(tag, str):
        text = tag.encode("utf-16-le", errors="replace")
        return [_numbers((3, _ARRAY, _UNICODE, len(text) // 2), version), text]
    if isinstance(tag, tuple):
        kinds = [_SCALARS[type(value)] for value in tag]
        fields = [number for code, _ in kinds for number in (0, code)]
        values = b"".join(struct.pack(kind[1], value) for kind, value in zip(kinds, tag, strict=True))
        return [_numbers((3 + len(fields), _STRUCT, 0, len(tag), *fields), version), values]
    code, layout_ = _SCALARS[type(tag)]  # type: ignore[index]
    return [_numbers((1, code), version), struct.pack(layout_, tag)]


def _number(value: int, version: int) -> bytes:
    return struct.pack(">I" if version == 3 else ">Q", value)


def _numbers(values: Iterable[int], version: int) -> bytes:
    return b"".join(_number(value, version) for value in values)


def _merge(segments: Iterable[Segment]) -> list[Segment]:
    """Join neighbouring pieces of bytes."""
    merged: list[Segment] = []
    for segment in segments:
        if isinstance(segment, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += segment
        else:
            merged.append(segment)
    return merged
