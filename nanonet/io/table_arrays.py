"""Tables as plain NumPy records and back, every column type kept exactly and nothing pickled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from nanonet.records import Column, Table

_NULLABLE = frozenset({f"{kind}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)}) | {
    "Float32",
    "Float64",
    "boolean",
}


def table_to_array(table: Table) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the numbers of a table as a record array, and its description for JSON.

    Plain and nullable numbers and truth values become fields; text goes into the description.

    Raises
    ------
    ValueError
        If a column is of another kind (dates, categories, arrays).
    """
    fields: list[tuple[str, np.ndarray]] = []
    columns = []
    for i, column in enumerate(table.columns):
        values, kind = _pack(table.data[column.name], str(i))
        fields += values
        columns.append({"name": column.name, "unit": column.unit, "meaning": column.meaning, **kind})
    records = np.zeros(len(table), dtype=[(name, values.dtype) for name, values in fields])
    for name, array in fields:
        records[name] = array
    return records, {"stem": table.stem, "rows": len(table), "columns": columns}


def table_from_array(records: np.ndarray, description: Mapping[str, Any]) -> Table:
    """Return the table that `table_to_array` took apart; its class is the one in `records` of its stem.

    Raises
    ------
    ValueError
        If no kind of table has that stem.
    """
    kinds = {kind.stem: kind for kind in _kinds(Table)}
    if description["stem"] not in kinds:
        raise ValueError(f"there is no table {description['stem']!r}, only {', '.join(kinds)}")
    columns = tuple(
        Column(name=entry["name"], unit=entry["unit"], meaning=entry["meaning"])
        for entry in description["columns"]
    )
    index = pd.RangeIndex(description["rows"])
    data = {
        entry["name"]: pd.Series(_unpack(records, str(i), entry), index=index, copy=False)
        for i, entry in enumerate(description["columns"])
    }
    frame = pd.DataFrame(data, index=index, columns=[column.name for column in columns])
    return kinds[description["stem"]](data=frame, columns=columns)


def _kinds(kind: type[Table]) -> Iterator[type[Table]]:
    """Yield the subclasses of a kind of table before the kind itself, the first of a stem last."""
    for child in reversed(kind.__subclasses__()):
        yield from _kinds(child)
    yield kind


def _pack(column: pd.Series, name: str) -> tuple[list[tuple[str, np.ndarray]], dict[str, Any]]:
    """Return the record fields of a column and what JSON says of it."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return [(name, column.to_numpy())], {"kind": "numpy"}
    if isinstance(dtype, pd.StringDtype):
        words = [
            None if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)
        ]
        missing = "nan" if dtype.na_value is not pd.NA else "NA"
        return [], {"kind": "string", "storage": dtype.storage, "missing": missing, "values": words}
    if dtype.name in _NULLABLE:
        plain = np.dtype("bool" if dtype.name == "boolean" else dtype.name.lower())
        fields = [
            (name, column.to_numpy(plain, na_value=plain.type(0))),
            (f"{name}?", column.isna().to_numpy()),
        ]
        return fields, {"kind": "masked", "dtype": dtype.name}
    if isinstance(dtype, np.dtype) and dtype.kind == "O":
        return [], {"kind": "object", "values": [_plain(value, column.name) for value in column]}
    raise ValueError(f"column {column.name!r} is of type {dtype}, which the store of chunks cannot keep")


def _plain(value: object, name: object) -> object:
    """Return a value that JSON keeps as it is."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA:
        return None
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise ValueError(f"column {name!r} holds a {type(value).__name__}, which the store of chunks cannot keep")


def _unpack(records: np.ndarray, name: str, entry: Mapping[str, Any]) -> Any:
    kind = entry["kind"]
    if kind == "numpy":
        return np.ascontiguousarray(records[name])
    if kind == "masked":
        dtype = pd.api.types.pandas_dtype(entry["dtype"])
        values, unknown = np.ascontiguousarray(records[name]), np.ascontiguousarray(records[f"{name}?"])
        return dtype.construct_array_type()(values, unknown)  # type: ignore[call-arg,union-attr]
    if kind == "string":
        missing = {} if entry["missing"] == "NA" else {"na_value": np.nan}
        return pd.array(entry["values"], dtype=pd.StringDtype(entry["storage"], **missing))
    return pd.Series(entry["values"], dtype=object)
