"""Compare the columns that were read with the true ones of a simulated movie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nanonet.io.csv_columns import read_csv_columns
from nanonet.metrics.columns import match_columns
from nanonet.records import Column, ColumnTable, Estimate, InputError, Table

TRUTH_COLUMNS = ("frame", "column_id", "y_angstrom", "x_angstrom", "depth")
TOLERANCE = 0.5
"""Distance up to which a found column can be a true one [Å]."""
RESAMPLES = 1000

_COLUMNS = tuple(
    Column(name=name, unit=unit, meaning=meaning)
    for name, unit, meaning in (
        ("frame", "", "index of the frame, from 0"),
        ("true_column_id", "", "which true column; empty where a column was found that does not exist"),
        ("y_angstrom", "Å", "position down, of the true column where there is one"),
        ("x_angstrom", "Å", "position to the right, of the true column where there is one"),
        ("true_depth", "atoms", "true number of atoms in the column"),
        ("column_id", "", f"the column found within {TOLERANCE} Å, one to one; empty where none was"),
        ("depth", "atoms", "depth that was read"),
        ("depth_low", "atoms", "lower end of its 90 % interval"),
        ("depth_high", "atoms", "upper end of its 90 % interval"),
    )
)


class ComparisonTable(Table):
    """comparison.csv: each true column and what was read there."""

    stem = "comparison"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How columns agree with the truth; ``pairs``: true_depth of each, and depth, NaN where it was missed."""

    tables: tuple[Table, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    pairs: pd.DataFrame | None = None


def read_truth(path: str) -> pd.DataFrame:
    """Return the table of true columns in a CSV file.

    Raises
    ------
    InputError
        If it cannot be read or lacks a column.
    """
    return read_csv_columns(path, TRUTH_COLUMNS, "truth")


def compare(columns: ColumnTable, truth: pd.DataFrame) -> Comparison:
    """Match found and true columns frame by frame, and say how often the depth is right.

    A true column that was not found counts as wrong. Intervals are a bootstrap over true columns: the frames
    of one column are not independent.

    Raises
    ------
    InputError
        If the columns were measured in pixels.
    """
    if "y_angstrom" not in columns.data:
        raise InputError("columns can be compared with the truth only where a pixel size is known")
    groups = dict(iter(columns.data.groupby("frame")))
    none = columns.data.iloc[:0]
    numbers = sorted(truth["frame"].unique().tolist())
    frames = [_compare_frame(n, groups.get(n, none), truth[truth["frame"] == n]) for n in numbers]
    data = pd.concat(frames, ignore_index=True)
    table = ComparisonTable(data=data, columns=_COLUMNS)
    pairs = data.dropna(subset=["true_depth"])[["true_depth", "depth"]].astype(float)
    return Comparison(tables=(table,), estimates=_estimates(data), pairs=pairs)


def _compare_frame(frame: int, found: pd.DataFrame, true: pd.DataFrame) -> pd.DataFrame:
    true, found = true.reset_index(drop=True), found.reset_index(drop=True)
    yx = ["y_angstrom", "x_angstrom"]
    pairs = match_columns(found[yx].to_numpy(float), true[yx].to_numpy(float), TOLERANCE)
    read = found[["column_id", "depth", "depth_low", "depth_high"]].astype(float)
    right = read.iloc[pairs[:, 0]].set_axis(pairs[:, 1]).reindex(range(len(true)))
    rows = true[["column_id", *yx, "depth"]].rename(
        columns={"column_id": "true_column_id", "depth": "true_depth"}
    )
    extra = found[~found.index.isin(pairs[:, 0])][["column_id", *yx, "depth", "depth_low", "depth_high"]]
    both = pd.concat([rows.join(right), extra.astype(float)], ignore_index=True)
    whole = ("true_column_id", "true_depth", "column_id", "depth", "depth_low", "depth_high")
    result: pd.DataFrame = both.assign(frame=frame).astype(dict.fromkeys(whole, "Int64"))
    return result


def _estimates(data: pd.DataFrame) -> tuple[Estimate, ...]:
    true = data.dropna(subset=["true_depth"])
    error = (true["depth"] - true["true_depth"]).astype(float)
    inside = (true["depth_low"] <= true["true_depth"]) & (true["true_depth"] <= true["depth_high"])
    n_found = int(data["column_id"].notna().sum())
    shares = (
        ("columns found", true["column_id"].notna(), None, "share of the true columns"),
        ("exact depth", error == 0, None, "share of the true columns; one that was missed is wrong"),
        (
            "depth within one",
            error.abs() <= 1,
            None,
            "share of the true columns; one that was missed is wrong",
        ),
        (
            "depth inside its 90 % interval",
            inside.fillna(False),
            true["depth"].notna(),
            "share of those found",
        ),
    )
    ids = true["true_column_id"].to_numpy(int)
    rows = [_share(name, hit.to_numpy(float), ids, of, note) for name, hit, of, note in shares]
    bias = float(error.mean()) if error.notna().any() else float("nan")
    false = 100 * float(data["true_depth"].isna().sum()) / max(n_found, 1)
    return (
        Estimate(name="frames compared", value=data["frame"].nunique()),
        Estimate(name="true columns", value=len(true), note="over all frames"),
        *rows,
        Estimate(name="found but not true", value=false, unit="%", note="share of the columns found"),
        Estimate(name="depth bias", value=bias, unit="atoms", note="mean of read less true depth"),
    )


def _share(name: str, hit: np.ndarray, ids: np.ndarray, of: pd.Series[bool] | None, note: str) -> Estimate:
    """Return a share in per cent with its 90 % interval from resampling whole columns.

    Where all columns agree there is nothing to resample: the interval then ends where that many columns agree
    by chance once in 20 (Clopper and Pearson, 1934).
    """
    counted = np.ones_like(hit) if of is None else of.to_numpy(float)
    _, group = np.unique(ids, return_inverse=True)
    hits, totals = np.bincount(group, hit * counted), np.bincount(group, counted)
    draws = np.random.default_rng([0]).multinomial(len(hits), np.full(len(hits), 1 / len(hits)), RESAMPLES)
    low, high = np.quantile(draws @ hits / np.maximum(draws @ totals, 1), [0.05, 0.95])
    value = hits.sum() / max(totals.sum(), 1)
    rare = 0.05 ** (1 / len(hits))
    low, high = (rare, 1.0) if value == 1 else (0.0, 1 - rare) if value == 0 else (low, high)
    return Estimate(name=name, value=100 * value, unit="%", low=100 * low, high=100 * high, note=note)
