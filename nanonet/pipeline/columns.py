"""Crystals on a zone axis: every atomic column of every frame, its depth, and the lattice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

from nanonet.atomic_columns.calibration import implied_pixel_size
from nanonet.atomic_columns.lattice import summarise
from nanonet.pipeline.conclusion import Conclusion, Found
from nanonet.pipeline.truth import Comparison, compare, read_truth
from nanonet.records import (
    ColumnTable,
    Estimate,
    FrameResult,
    InputError,
    LatticeTable,
    Micrograph,
    Series,
    Table,
    TrainedNetwork,
)
from nanonet.report.column_figures import column_figures
from nanonet.report.reliability import reliability_figures


@dataclass(frozen=True, kw_only=True)
class Columns:
    """read -> columns -> lattice -> link -> follow -> (compare with truth) -> report."""

    name: ClassVar[str] = "columns"
    columns: Callable[[Micrograph], FrameResult]
    lattice: Callable[[Micrograph, ColumnTable], LatticeTable]
    link: Callable[[ColumnTable], ColumnTable]
    follow: Callable[..., tuple[Table, ...]]
    network: TrainedNetwork | None = None
    counts_per_atom: float | None = None
    truth: str | None = None
    known_cell: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.truth is not None:
            read_truth(self.truth)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The table of the truth, if there is one."""
        return () if self.truth is None else (Path(self.truth),)

    def frame(self, micrograph: Micrograph) -> FrameResult:
        """Return the columns of one frame, their lattice, and maps of depth and confidence."""
        found = self.columns(micrograph)
        table = cast(ColumnTable, found.tables[0])
        return FrameResult(
            frame=micrograph.frame,
            tables=(table, self.lattice(micrograph, table), *found.tables[1:]),
            maps=found.maps,
            warnings=found.warnings,
        )

    def conclude(self, found: Found) -> Conclusion:
        """Follow the columns of a movie, compare with the truth where it is known, and sum up."""
        tables, series = found.tables, found.series
        columns = cast(ColumnTable, tables["columns"])
        lattice = cast(LatticeTable, tables["lattice"])
        followed: tuple[Table, ...] = ()
        warnings: tuple[str, ...] = ()
        if series.is_movie:
            columns = self.link(columns)
            followed, warnings = self._followed(columns, tables, series)
        time = {table.stem: table for table in followed}
        frames = tables.get("frames")
        score = compare(columns, read_truth(self.truth)) if self.truth is not None else Comparison()
        ruler: tuple[Estimate, ...] = ()
        if self.known_cell is not None:
            ruler = implied_pixel_size(lattice, series.pixel_size or 1.0, self.known_cell)
        told = self.counts_per_atom is not None
        calibration = None if self.network is None else self.network.calibrated(told=told)
        figures = column_figures(
            columns,
            lattice,
            score.pairs,
            sites=time.get("sites"),
            events=time.get("events"),
            layers=time.get("layers"),
            frame_time=series.stacks[0].frame_time if series.is_movie else None,
            reliability=() if calibration is None else reliability_figures(calibration),
            frames=frames,
        )
        return Conclusion(
            tables=(columns, lattice, *(() if frames is None else (frames,)), *followed, *score.tables),
            estimates=(*score.estimates, _count(columns, series), *summarise(lattice), *ruler),
            figures=figures,
            warnings=warnings,
        )

    def _followed(
        self, columns: ColumnTable, tables: Mapping[str, Table], series: Series
    ) -> tuple[tuple[Table, ...], tuple[str, ...]]:
        """Return what a movie tells beyond its frames, or why it tells nothing."""
        probabilities = tables.get("depth_probabilities")
        if probabilities is None:
            return (), ()
        _, height, width = series.stacks[0].shape
        scale = series.pixel_size or 1.0
        try:
            return self.follow(columns, probabilities, field=(height * scale, width * scale)), ()
        except InputError as error:
            return (), (f"the columns were not followed through time: {error}",)


def _count(columns: ColumnTable, series: Series) -> Estimate:
    """Return how many columns a frame holds."""
    note = "over all frames" if len(series) > 1 else ""
    return Estimate(name="columns a frame", value=len(columns) / len(series), note=note and "mean " + note)
