"""The first rows of a table as text, for people to read; the CSV holds the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nanonet.records import Column, Table
from nanonet.report.numbers import unit_text

SHOWN_ROWS = 200
UNKNOWN = "–"


@dataclass(frozen=True, kw_only=True)
class TableView:
    """A table as the page shows it: cells of text; ``numeric`` says which columns are numbers."""

    stem: str
    columns: tuple[Column, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    n_rows: int


def view_table(table: Table, most: int = SHOWN_ROWS) -> TableView:
    """Return the first ``most`` rows as text, each column with as many decimals as its values deserve."""
    data = table.data
    texts = [_texts(data[column.name], most) for column in table.columns]
    return TableView(
        stem=table.stem,
        columns=tuple(
            Column(name=column.name, unit=unit_text(column.unit), meaning=column.meaning)
            for column in table.columns
        ),
        numeric=tuple(_is_number(data[column.name]) for column in table.columns),
        rows=tuple(zip(*texts, strict=True)) if texts else (),
        n_rows=len(table),
    )


def _is_number(values: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _texts(values: pd.Series[Any], most: int) -> list[str]:
    shown = values.iloc[:most]
    if pd.api.types.is_bool_dtype(values):
        return [UNKNOWN if pd.isna(value) else "yes" if value else "no" for value in shown]
    if pd.api.types.is_float_dtype(values):
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        form = _format(numbers)
        return [format(value, form) if np.isfinite(value) else UNKNOWN for value in numbers[:most]]
    return [UNKNOWN if pd.isna(value) else str(value) for value in shown]


def _format(values: np.ndarray) -> str:
    """Return one format for all numbers of a column: four digits for the typical one, decimals aligned."""
    known = values[np.isfinite(values)]
    if np.all(known % 1 == 0):
        return ".0f"
    power = int(np.floor(np.log10(np.median(np.abs(known[known != 0])))))
    if not -3 <= power < 9:
        return ".3e"
    return f".{max(0, min(3 - power, 3 if power >= -1 else 6))}f"
