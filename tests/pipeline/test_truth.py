"""Comparison with the truth: the shares are what a hand count gives, and missed columns count as wrong."""

import numpy as np
import pandas as pd
import pytest

from nanonet.atomic_columns.table import column_columns
from nanonet.pipeline.truth import compare, read_truth
from nanonet.records import ColumnTable, InputError


def table(rows: list[tuple[int, int, float, float, int]]) -> ColumnTable:
    data = pd.DataFrame(rows, columns=["frame", "column_id", "y_angstrom", "x_angstrom", "depth"])
    data = data.assign(
        track_id=pd.array([None] * len(data), "Int64"),
        depth_mean=data["depth"].astype(float),
        depth_low=data["depth"] - 1,
        depth_high=data["depth"] + 1,
        confidence=0.9,
    )
    return ColumnTable(data=data, columns=column_columns("angstrom"))


def truth(rows: list[tuple[int, int, float, float, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["frame", "column_id", "y_angstrom", "x_angstrom", "depth"])


def test_shares_are_those_counted_by_hand() -> None:
    true = truth([(0, 1, 0, 0, 3), (0, 2, 0, 4, 5), (0, 3, 4, 0, 2), (1, 1, 0, 0, 3), (1, 2, 0, 4, 5)])
    found = table([(0, 1, 0.1, 0, 3), (0, 2, 0, 4.2, 4), (0, 3, 9, 9, 1), (1, 1, 0, 0.1, 6), (1, 2, 0, 4, 5)])
    score = compare(found, true)
    values = {estimate.name: estimate.value for estimate in score.estimates}
    assert values["frames compared"] == 2
    assert values["true columns"] == 5
    assert values["columns found"] == pytest.approx(80)
    assert values["exact depth"] == pytest.approx(40)
    assert values["depth within one"] == pytest.approx(60)
    assert values["found but not true"] == pytest.approx(20)
    assert values["depth inside its 90 % interval"] == pytest.approx(75)
    assert values["depth bias"] == pytest.approx((0 - 1 + 3 + 0) / 4)
    assert len(score.tables[0]) == 6
    assert len(score.pairs) == 5
    assert score.pairs["depth"].isna().sum() == 1


def test_a_frame_in_which_nothing_was_found_counts_as_missed() -> None:
    score = compare(table([]), truth([(0, 1, 0, 0, 3)]))
    values = {estimate.name: estimate.value for estimate in score.estimates}
    assert values["exact depth"] == 0
    assert values["columns found"] == 0


def test_the_interval_holds_the_value_and_narrows_with_more_columns() -> None:
    rng = np.random.default_rng([1])
    widths = []
    for n in (20, 500):
        depths = rng.integers(1, 9, n)
        read = np.where(rng.random(n) < 0.7, depths, depths + 1)
        places = [(0, i, 4.0 * i, 0.0) for i in range(n)]
        true = truth([(*place, int(d)) for place, d in zip(places, depths, strict=True)])
        found = table([(*place, int(d)) for place, d in zip(places, read, strict=True)])
        exact = next(e for e in compare(found, true).estimates if e.name == "exact depth")
        assert exact.low <= exact.value <= exact.high
        widths.append(exact.high - exact.low)
    assert widths[1] < widths[0] / 3


def test_all_right_is_not_certainty() -> None:
    rows = [(0, i, 4.0 * i, 0.0, 3) for i in range(63)]
    exact = next(e for e in compare(table(rows), truth(rows)).estimates if e.name == "exact depth")
    assert (exact.value, exact.high) == (100, 100)
    assert exact.low == pytest.approx(100 * 0.05 ** (1 / 63))


def test_a_truth_that_lacks_a_column_is_refused(tmp_path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text("frame,y_angstrom\n0,1\n")
    with pytest.raises(InputError, match="lacks column_id, x_angstrom, depth"):
        read_truth(str(path))
    with pytest.raises(InputError, match="cannot be read"):
        read_truth(str(tmp_path / "missing.csv"))
