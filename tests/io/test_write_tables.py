from __future__ import annotations

import csv
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from nanonet.io.writers import tables as write_tables
from nanonet.io.writers.tables import write_csv, write_data_dictionary, write_workbook
from nanonet.records import AtomTable, Column, ParticleTable, Table

_NS = {"x": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def table(data: dict[str, object], kind: type[Table] = ParticleTable) -> Table:
    frame = pd.DataFrame(data)
    columns = tuple(Column(name=name, unit="nm", meaning=f"meaning of {name}") for name in frame.columns)
    return kind(data=frame, columns=columns)


def mixed() -> Table:
    return table(
        {
            "image": ["a.tif", "=1+1", 'Å, "quoted"\nline'],
            "count": [1, 2, 123456789012],
            "track": pd.array([1, None, 3], dtype="Int64"),
            "size_nm": [1 / 3, np.nan, 1.5e-9],
            "separated": [True, False, True],
            "known": pd.array([True, None, False], dtype="boolean"),
            "note": [None, "x", None],
            "wild": [np.inf, -np.inf, 0.0],
        }
    )


def test_csv_text(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", mixed())
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["image", "count", "track", "size_nm", "separated", "known", "note", "wild"],
        ["a.tif", "1", "1", "0.3333333", "true", "true", "", "inf"],
        ["=1+1", "2", "", "", "false", "", "x", "-inf"],
        ['Å, "quoted"\nline', "123456789012", "3", "1.5e-09", "true", "false", "", "0"],
    ]


def test_csv_comes_back_with_its_types(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", mixed())
    back = pd.read_csv(tmp_path / "t.csv")
    assert back["separated"].dtype == bool
    assert back["count"].dtype == np.int64
    np.testing.assert_allclose(back["size_nm"], mixed().data["size_nm"], rtol=5e-7)


def test_parts_of_a_table_join_to_one(tmp_path: Path) -> None:
    whole = table({"a": range(10), "b": np.linspace(0, 1, 10)})
    parts = (whole.with_data(whole.data.iloc[i : i + 3]) for i in range(0, 10, 3))
    write_csv(tmp_path / "parts.csv", parts)
    write_csv(tmp_path / "whole.csv", whole)
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_an_empty_table_keeps_its_header(tmp_path: Path) -> None:
    empty = table({"a": np.array([], dtype=float), "s": np.array([], dtype=bool)})
    write_csv(tmp_path / "t.csv", empty)
    assert (tmp_path / "t.csv").read_text() == "a,s\n"
    write_workbook(tmp_path / "t.xlsx", [empty])
    assert read_sheets(tmp_path / "t.xlsx")["particles"] == [["a", "s"]]


def test_parts_that_do_not_belong_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="differ in columns"):
        write_csv(tmp_path / "t.csv", [table({"a": [1]}), table({"b": [1]})])
    with pytest.raises(ValueError, match="no table"):
        write_csv(tmp_path / "t.csv", [])
    assert not list(tmp_path.iterdir())


def test_data_dictionary(tmp_path: Path) -> None:
    write_data_dictionary(tmp_path / "d.csv", [table({"a": [1]}), table({"x_angstrom": [1.0]}, AtomTable)])
    with (tmp_path / "d.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "column", "unit", "meaning"],
            ["particles.csv", "a", "nm", "meaning of a"],
            ["atoms.csv", "x_angstrom", "nm", "meaning of x_angstrom"],
        ]


def read_sheets(path: Path) -> dict[str, list[list[object]]]:
    """Read a workbook from its XML, cell types as they are: numbers, truth values, text, formulas."""
    with zipfile.ZipFile(path) as archive:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        names = [sheet.attrib["name"] for sheet in book.iterfind(".//x:sheet", _NS)]
        return {
            name: [
                row_values(row)
                for row in ElementTree.fromstring(archive.read(f"xl/worksheets/sheet{i}.xml")).iterfind(
                    ".//x:row", _NS
                )
            ]
            for i, name in enumerate(names, start=1)
        }


def row_values(row: ElementTree.Element) -> list[object]:
    values: list[object] = []
    for cell in row.iterfind("x:c", _NS):
        letters = re.match("[A-Z]+", cell.attrib["r"])
        assert letters is not None
        position = ord(letters.group()) - ord("A")
        values += [None] * (position - len(values))
        assert cell.find("x:f", _NS) is None, "a formula"
        kind = cell.attrib.get("t", "n")
        text = "".join(cell.itertext())
        values.append({"n": float, "b": lambda t: t == "1"}.get(kind, str)(text))
    return values


def test_workbook_cells(tmp_path: Path) -> None:
    write_workbook(tmp_path / "t.xlsx", [mixed(), table({"b": [2.5]}, AtomTable)])
    sheets = read_sheets(tmp_path / "t.xlsx")
    assert list(sheets) == ["particles", "atoms", "data dictionary"]
    assert sheets["particles"][1:] == [
        ["a.tif", 1.0, 1.0, pytest.approx(1 / 3), True, True, None, "inf"],
        ["=1+1", 2.0, None, None, False, None, "x", "-inf"],
        ['Å, "quoted"\nline', 123456789012.0, 3.0, 1.5e-9, True, False, None, 0.0],
    ]
    assert sheets["data dictionary"][-1] == ["atoms.csv", "b", "nm", "meaning of b"]


def test_links_stay_text(tmp_path: Path) -> None:
    words = ["http://x.org/a", "mailto:a@b.c", "{=SUM(1)}", "1e5", "-1"]
    write_workbook(tmp_path / "t.xlsx", [table({"w": words})])
    assert [row[0] for row in read_sheets(tmp_path / "t.xlsx")["particles"][1:]] == words


@pytest.mark.parametrize("rows", [3, 4, 8, 9])
def test_long_tables_go_on_in_further_sheets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(write_tables, "SHEET_ROWS", 5)
    write_workbook(tmp_path / "t.xlsx", [table({"a": range(rows)})])
    sheets = read_sheets(tmp_path / "t.xlsx")
    pages = [values for name, values in sheets.items() if name.startswith("particles")]
    assert [name for name in sheets if name.startswith("particles")] == [
        "particles",
        "particles_2",
        "particles_3",
    ][: -(-rows // 4)]
    assert all(len(page) <= 5 and page[0] == ["a"] for page in pages)
    assert [row[0] for page in pages for row in page[1:]] == list(range(rows))


def test_names_of_sheets_obey_excel(tmp_path: Path) -> None:
    class Long(Table):
        stem = "a[very]:long/name\\of*a?table_that_passes_31"

    write_workbook(tmp_path / "t.xlsx", [table({"a": [1]}, Long), table({"a": [2]}, Long)])
    first, second, _ = read_sheets(tmp_path / "t.xlsx")
    assert len(first) <= 31
    assert len(second) <= 31
    assert first != second
    assert not set("[]:*?/\\") & set(first)


def test_workbook_leaves_no_scratch(tmp_path: Path) -> None:
    write_workbook(tmp_path / "t.xlsx", [mixed()])
    assert [path.name for path in tmp_path.iterdir()] == ["t.xlsx"]
