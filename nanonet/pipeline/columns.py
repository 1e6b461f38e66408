"""Crystals on a zone axis: every atomic column of every frame, its depth, and the lattice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from nanonet.atomic_columns.calibration import implied_pixel_size
from nanonet.atomic_columns.lattice import summarise
from nanonet.pipeline.conclusion import Conclusion
from nanonet.pipeline.truth import Comparison, compare, read_truth
from nanonet.records import ColumnTable, Estimate, FrameResult, LatticeTable, Micrograph, Series, Table
from nanonet.report.column_figures import column_figures


@dataclass(frozen=True, kw_only=True)
class Columns:
    """read -> columns -> lattice -> link -> (compare with truth) -> report."""

    name: ClassVar[str] = "columns"
    columns: Callable[[Micrograph], FrameResult]
    lattice: Callable[[Micrograph, ColumnTable], LatticeTable]
    link: Callable[[ColumnTable], ColumnTable]
    truth: str | None = None
    known_cell: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.truth is not None:
            read_truth(self.truth)

    def frame(self, micrograph: Micrograph) -> FrameResult:
        """Return the columns of one frame, their lattice, and maps of depth and confidence."""
        found = self.columns(micrograph)
        table = cast(ColumnTable, found.tables[0])
        return FrameResult(
            frame=micrograph.frame,
            tables=(table, self.lattice(micrograph, table)),
            maps=found.maps,
            warnings=found.warnings,
        )

    def conclude(self, tables: Mapping[str, Table], series: Series) -> Conclusion:
        """Link the columns of a movie through time, compare with the truth where it is known, and sum up."""
        columns = cast(ColumnTable, tables["columns"])
        lattice = cast(LatticeTable, tables["lattice"])
        if series.is_movie:
            columns = self.link(columns)
        score = compare(columns, read_truth(self.truth)) if self.truth is not None else Comparison()
        ruler: tuple[Estimate, ...] = ()
        if self.known_cell is not None:
            ruler = implied_pixel_size(lattice, series.pixel_size or 1.0, self.known_cell)
        return Conclusion(
            tables=(columns, lattice, *score.tables),
            estimates=(*score.estimates, _count(columns, series), *summarise(lattice), *ruler),
            figures=column_figures(columns, lattice, score.pairs),
        )


def _count(columns: ColumnTable, series: Series) -> Estimate:
    """Return how many columns a frame holds."""
    note = "over all frames" if len(series) > 1 else ""
    return Estimate(name="columns a frame", value=len(columns) / len(series), note=note and "mean " + note)
