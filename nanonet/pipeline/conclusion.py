"""What a pipeline is, and what it concludes from all frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from nanonet.records import Column, Estimate, FrameResult, Micrograph, Series, SummaryTable, Table
from nanonet.report.content import Figure


@dataclass(frozen=True, kw_only=True)
class Found:
    """What all frames of a series gave.

    Parameters
    ----------
    tables
        Those of the frames, joined, by stem.
    maps
        Yields the maps of a stem, frame by frame, one in memory at a time.
    workspace
        Folder for what takes long to conclude: it is kept while the run is unfinished.
    """

    series: Series
    tables: Mapping[str, Table]
    maps: Callable[[str], Iterator[np.ndarray]]
    workspace: Path


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """The tables of a run, its headline numbers, and what the report shows of them.

    Parameters
    ----------
    writers
        Write what else belongs into the folder of the run, which they are given.
    sections
        Whether the frames are sections of one map, which figures show: none stands for itself.
    """

    tables: tuple[Table, ...]
    estimates: tuple[Estimate, ...] = ()
    figures: tuple[Figure, ...] = ()
    warnings: tuple[str, ...] = ()
    writers: tuple[Callable[[Path], object], ...] = ()
    sections: bool = False


@runtime_checkable
class Pipeline(Protocol):
    """A pipeline looks at one frame at a time, then at the tables of all frames."""

    name: ClassVar[str]

    def frame(self, micrograph: Micrograph) -> FrameResult:
        """Return what one frame holds; depends on nothing but the frame."""

    def conclude(self, found: Found) -> Conclusion:
        """Return what all frames together say."""


@runtime_checkable
class ReadsMore(Protocol):
    """A pipeline that reads files besides the series; provenance holds their hashes too."""

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Those files."""


SUMMARY_COLUMNS = (
    Column(name="name", unit="", meaning="what is measured"),
    Column(name="value", unit="see unit", meaning="best estimate"),
    Column(
        name="low", unit="see unit", meaning="lower end of the 90 % interval; empty where the value is exact"
    ),
    Column(
        name="high", unit="see unit", meaning="upper end of the 90 % interval; empty where the value is exact"
    ),
    Column(name="unit", unit="", meaning="unit of value, low and high"),
    Column(name="note", unit="", meaning="how it was obtained, and what it holds for"),
)


def summary_table(estimates: tuple[Estimate, ...]) -> SummaryTable:
    """Return the headline numbers as summary.csv."""
    rows = [(e.name, e.value, e.low, e.high, e.unit, e.note) for e in estimates]
    data = pd.DataFrame(rows, columns=[column.name for column in SUMMARY_COLUMNS])
    return SummaryTable(
        data=data.astype({"value": float, "low": float, "high": float}), columns=SUMMARY_COLUMNS
    )
