"""A known crystal as a ruler: it finds a wrong pixel size whatever the shear, and none where it is right."""

import pandas as pd
import pytest

from nanonet.atomic_columns.calibration import implied_pixel_size
from nanonet.atomic_columns.table import lattice_columns
from nanonet.records import InputError, LatticeTable


def lattice(a: float, b: float, gamma: float = 90.0, unit: str = "angstrom") -> LatticeTable:
    columns = lattice_columns(unit)
    row = [0, a, 0.999 * a, 1.001 * a, b, 0.999 * b, 1.001 * b, gamma, gamma - 0.1, gamma + 0.1, 500]
    data = pd.DataFrame({column.name: [value] for column, value in zip(columns, row, strict=True)})
    return LatticeTable(data=data, columns=columns)


def test_a_pixel_size_that_is_4_percent_long_is_found() -> None:
    (found,) = implied_pixel_size(lattice(3.905 * 1.04, 3.905 * 1.04), 0.104, [3.905, 3.905])
    assert found.value == pytest.approx(0.1)
    assert found.low < 0.1 < found.high
    assert found.high - found.low == pytest.approx(0.0002, rel=0.01)
    assert "+4.0 % off" in found.note


def test_pure_shear_does_not_matter() -> None:
    (found,) = implied_pixel_size(lattice(3.905, 3.905 / 0.8660254, 120.0), 0.1, [3.905, 3.905, 90])
    assert found.value == pytest.approx(0.1)


@pytest.mark.parametrize("cell", [[3.9], [3.9, -1], [3.9, 3.9, 90, 1], [float("nan"), 3.9]])
def test_a_cell_that_is_none_is_refused(cell: list[float]) -> None:
    with pytest.raises(InputError, match="known_cell must be"):
        implied_pixel_size(lattice(3.9, 3.9), 0.1, cell)


def test_lengths_in_pixels_cannot_be_corrected() -> None:
    with pytest.raises(InputError, match=r"read\.pixel_size"):
        implied_pixel_size(lattice(39.0, 39.0, unit="px"), 1.0, [3.9, 3.9])
