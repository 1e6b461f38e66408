"""Tables whose columns say what they mean, and headline numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table: its name, its unit ("" for none), what it means and how it was obtained."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the output contract: ``data`` has just the columns that ``columns`` describes, in order.

    Raises
    ------
    ValueError
        If ``data`` lacks a described column or has one that is not described.
    """

    stem: ClassVar[str] = "table"
    data: pd.DataFrame
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if sorted(names) != sorted(self.data.columns):
            odd = sorted(set(names) ^ set(self.data.columns))
            raise ValueError(f"{type(self).__name__} and its described columns differ in {odd}")
        if names != list(self.data.columns):
            object.__setattr__(self, "data", self.data[names])

    def __len__(self) -> int:
        return len(self.data)

    def with_data(self, data: pd.DataFrame) -> Table:
        """Return the same kind of table with other rows."""
        return replace(self, data=data)


class ParticleTable(Table):
    """particles.csv: one row a particle and frame."""

    stem = "particles"


class ImageTable(Table):
    """images.csv: one row an image, or frame of a movie, in which particles were sought."""

    stem = "images"


class ColumnTable(Table):
    """columns.csv: one row an atomic column and frame."""

    stem = "columns"


class FrameTable(Table):
    """frames.csv: one row a frame: its dose, and whether it is like those that the network learnt from."""

    stem = "frames"


class LatticeTable(Table):
    """lattice.csv: the two-dimensional lattice fitted to the columns of each frame."""

    stem = "lattice"


class SummaryTable(Table):
    """summary.csv: the headline numbers of a run, each with its 90 % interval."""

    stem = "summary"


class ClassTable(Table):
    """classes.csv: the class of each particle, with its probability."""

    stem = "classes"


class AtomTable(Table):
    """atoms.csv: one row an atom."""

    stem = "atoms"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A headline number with its 90 % interval; ``low`` and ``high`` are None where it is exact (a count)."""

    name: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    note: str = ""
