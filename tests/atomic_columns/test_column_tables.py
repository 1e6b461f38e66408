from __future__ import annotations

import numpy as np
import pytest

from nanonet.atomic_columns.table import column_columns, column_table, positions_of


@pytest.mark.parametrize(("unit", "sign"), [("angstrom", "Å"), ("px", "px")])
def test_every_column_is_described(unit, sign):
    columns = column_columns(unit)
    assert [column.name for column in columns if column.unit == sign] == [f"y_{unit}", f"x_{unit}"]
    assert all(len(column.meaning) > 20 for column in columns)


@pytest.mark.parametrize("pixel_size", [None, 0.25])
def test_positions_go_in_and_out(pixel_size):
    places = np.array([[3.0, 4.5], [0.0, 10.0]])
    table = column_table(places, frame=2, pixel_size=pixel_size, values={"depth": np.array([3, 7])})
    positions, unit = positions_of(table)
    assert unit == ("px" if pixel_size is None else "angstrom")
    np.testing.assert_allclose(positions, places * (pixel_size or 1))
    assert table.data.depth.tolist() == [3, 7]


def test_unknown_is_empty_in_csv_and_depths_are_whole():
    table = column_table(np.ones((1, 2)), frame=0, pixel_size=0.5, values={"depth": np.array([4])})
    assert table.data.to_csv(index=False).splitlines()[1] == "0,1,,0.5,0.5,4,,,,"


def test_no_columns_is_a_table_too():
    table = column_table(np.empty((0, 2)), frame=0, pixel_size=0.5, values={})
    assert len(table) == 0
    assert positions_of(table)[0].shape == (0, 2)
    assert table.data.dtypes["depth"] == "Int64"
