"""Tables of the output contract as CSV and as one workbook, with a data dictionary."""

from __future__ import annotations

import csv
import itertools
import math
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nanonet.io.atomic import atomic_path
from nanonet.records import Column, Table

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

SHEET_ROWS = 1_048_576  # Excel's limit, the header included
_SHEET_NAME = 31  # Excel's limit of characters
_DICTIONARY_HEADER = ("file", "column", "unit", "meaning")


def write_csv(path: str | os.PathLike[str], table: Table | Iterable[Table]) -> None:
    """Write a table, or the parts of one as they come, as CSV (UTF-8, a comma, a header line of names).

    Unknown (None, NaN) is empty, floats have 7 significant digits, integers all of theirs, and truth values
    are ``true`` and ``false``, which pandas, R, DuckDB and spreadsheets read as such.

    Parameters
    ----------
    path
        Where to write.
    table
        One table, or its parts in order (all with the same columns; only one part is held at a time).

    Raises
    ------
    ValueError
        If there is no part, or two parts differ in their columns.
    InputError
        If the disk refuses.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        header: tuple[str, ...] | None = None
        for part in (table,) if isinstance(table, Table) else table:
            names = tuple(column.name for column in part.columns)
            if header is not None and names != header:
                raise ValueError(
                    f"the parts of {Path(path).name} differ in columns {set(names) ^ set(header)}"
                )
            text = _as_text(part.data)
            text.to_csv(file, index=False, header=header is None, float_format="%.7g", lineterminator="\n")
            header = names
        if header is None:
            raise ValueError(f"there is no table to write to {Path(path).name}")


def write_data_dictionary(path: str | os.PathLike[str], tables: Iterable[Table]) -> None:
    """Write what each column of each table means, as CSV: file, column, unit, meaning."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_DICTIONARY_HEADER)
        writer.writerows(_dictionary_rows(tables))


def write_workbook(path: str | os.PathLike[str], tables: Sequence[Table]) -> None:
    """Write an Excel workbook: a sheet a table, named by its stem, and a sheet "data dictionary".

    Rows are written as they are made, so memory stays small. A table of more rows than a sheet holds goes on
    in stem_2, stem_3, ... Numbers are numbers, truth values TRUE and FALSE, unknown is an empty cell, an
    infinite value the text inf or -inf; text is never taken for a formula or a link.

    Parameters
    ----------
    path
        Where to write, .xlsx.
    tables
        The tables, each of another stem.

    Raises
    ------
    InputError
        If the disk refuses.
    """
    from xlsxwriter import Workbook

    with (
        atomic_path(path) as temporary,
        # Beside the result, because a folder of the system may be small or lie in memory.
        tempfile.TemporaryDirectory(prefix=".workbook-", dir=temporary.parent) as scratch,
        Workbook(temporary, {"constant_memory": True, "tmpdir": scratch, "use_zip64": True}) as book,
    ):
        bold = book.add_format({"bold": True})
        taken: set[str] = set()
        for table in tables:
            rows = _plain_rows(table.data)
            _add_sheets(book, table.stem, [column.name for column in table.columns], rows, bold, taken)
        _add_sheets(book, "data dictionary", _DICTIONARY_HEADER, _dictionary_rows(tables), bold, taken)


def _as_text(data: pd.DataFrame) -> pd.DataFrame:
    """Return ``data`` with truth values as words; pandas formats the rest."""
    flags = [name for name in data.columns if pd.api.types.is_bool_dtype(data[name].dtype)]
    words = {name: data[name].astype(object).map({True: "true", False: "false"}) for name in flags}
    return data.assign(**words)


def _dictionary_rows(tables: Iterable[Table]) -> Iterator[tuple[str, str, str, str]]:
    for table in tables:
        for column in table.columns:
            yield _dictionary_row(table, column)


def _dictionary_row(table: Table, column: Column) -> tuple[str, str, str, str]:
    return f"{table.stem}.csv", column.name, column.unit, column.meaning


def _plain_rows(data: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Yield rows of None, bool, int, float and str, a block of rows at a time."""
    block = 10_000
    for start in range(0, len(data), block):
        columns = (data[name].iloc[start : start + block].tolist() for name in data.columns)
        yield from zip(*columns, strict=True)


def _add_sheets(
    book: Workbook,
    title: str,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    bold: Any,
    taken: set[str],
) -> None:
    """Write ``rows`` under ``header`` to as many sheets as they need."""
    rows = iter(rows)
    first = next(rows, None)
    while True:
        sheet = book.add_worksheet(_sheet_name(title, taken))
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, max(len(header) - 1, 0), 14)
        for position, name in enumerate(header):
            sheet.write_string(0, position, name, bold)
        page = itertools.islice(rows, SHEET_ROWS - 2)
        head = () if first is None else (first,)
        for number, row in enumerate(itertools.chain(head, page), start=1):
            _write_row(sheet, number, row)
        first = next(rows, None)
        if first is None:
            return


def _sheet_name(title: str, taken: set[str]) -> str:
    """Return ``title``, or title_2 ... where it is taken, within Excel's rules for the names of sheets."""
    title = re.sub(r"[\[\]:*?/\\]", "_", title)
    for number in itertools.count(1):
        end = "" if number == 1 else f"_{number}"
        name = title[: _SHEET_NAME - len(end)] + end
        if name.lower() not in taken:
            break
    taken.add(name.lower())
    return name


def _write_row(sheet: Worksheet, number: int, row: Sequence[Any]) -> None:
    for position, value in enumerate(row):
        if value is None or value is pd.NA or value is pd.NaT:
            continue
        if isinstance(value, bool | np.bool_):
            sheet.write_boolean(number, position, bool(value))
        elif isinstance(value, int | float | np.number):
            _write_number(sheet, number, position, float(value))
        else:
            sheet.write_string(number, position, str(value))


def _write_number(sheet: Worksheet, number: int, position: int, value: float) -> None:
    if math.isfinite(value):
        sheet.write_number(number, position, value)
    elif not math.isnan(value):
        sheet.write_string(number, position, str(float(value)))
