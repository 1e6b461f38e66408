"""Write what a run leaves behind: tables, maps, the report, provenance (docs/output.md is the contract)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from nanonet.io.atomic import atomic_path
from nanonet.io.chunks import ChunkStore
from nanonet.io.page import Page
from nanonet.io.writers.images import write_tif
from nanonet.io.writers.tables import write_csv, write_data_dictionary
from nanonet.pipeline.conclusion import Conclusion, Found, Pipeline, summary_table
from nanonet.provenance import to_json
from nanonet.records import ColumnTable, FrameResult, InputError, Provenance, Series, Table
from nanonet.report.content import ReportContent
from nanonet.report.event_list import FRAMES_SHOWN, frames_to_show
from nanonet.report.history import History, history_of
from nanonet.report.page import write_report
from nanonet.report.preview import Preview, make_preview

WORKSPACE = "workspace"
"""Folder beside the unfinished chunks for what takes long to conclude."""
PREVIEWS = 24
"""Frames that the report shows of what is no movie of columns, spread evenly over the series."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A series of which every frame has been analysed; ``results`` holds them in ``chunks`` chunks."""

    series: Series
    results: ChunkStore
    chunks: int
    provenance: Provenance
    fingerprint: str

    def frames(self, maps: Collection[str] | None = None) -> Iterator[FrameResult]:
        """Yield the results of all frames in order, with these maps or all, a chunk in memory at a time."""
        return self.results.results(self.chunks, maps)

    def pages(self, stem: str) -> Iterator[Page]:
        """Yield the maps of a stem in the order of the frames, one in memory at a time."""
        return self.results.pages(self.chunks, stem)


Extra = Callable[[Path, Finished, Conclusion], None]
"""Writes what was asked for besides, into the folder of a run."""


def is_finished(output: Path, fingerprint: str, unfinished: str) -> bool:
    """Return whether ``output`` holds the whole of the same run; nothing is ever overwritten.

    Raises
    ------
    InputError
        If it holds a run of other settings, or files that are not a run's.
    """
    if not output.exists() or (output / unfinished).exists():
        return False
    if not output.is_dir():
        raise InputError(f"output={output} is a file; name a folder")
    if not any(output.iterdir()):
        return False
    try:
        found = json.loads((output / "provenance.json").read_text(encoding="utf-8")).get("fingerprint")
    except (OSError, ValueError, AttributeError):
        raise InputError(f"output={output} holds files that are not a run's; name a new folder") from None
    if found != fingerprint:
        raise InputError(
            f"output={output} holds the results of other settings, input or versions; name a new folder"
        )
    return True


def write_outputs(output: Path, pipeline: Pipeline, finished: Finished, extras: Sequence[Extra] = ()) -> None:
    """Conclude from all frames and write everything; provenance.json comes last and marks the run whole."""
    joined, warnings = _join(finished)
    conclusion = pipeline.conclude(
        Found(
            series=finished.series,
            tables=joined,
            maps=lambda stem: (page.image() for page in finished.pages(stem)),
            workspace=finished.results.folder / WORKSPACE,
        )
    )
    tables = (*conclusion.tables, summary_table(conclusion.estimates))
    for table in tables:
        write_csv(output / f"{table.stem}.csv", table)
    write_data_dictionary(output / "data_dictionary.csv", tables)
    _write_maps(output, finished)
    for write in conclusion.writers:
        write(output)
    for extra in extras:
        extra(output, finished, replace(conclusion, tables=tables))
    settings = _yaml(finished.provenance.config)
    _write_text(output / "config.yaml", settings)
    notes = _notes(finished.series)
    content = _content(pipeline, finished, replace(conclusion, tables=tables), (*notes, *warnings), settings)
    write_report(output / "report.html", content)
    whole = json.loads(to_json(finished.provenance)) | {"fingerprint": finished.fingerprint}
    _write_text(output / "provenance.json", json.dumps(whole, indent=2, ensure_ascii=False) + "\n")


def _join(finished: Finished) -> tuple[dict[str, Table], tuple[str, ...]]:
    """Return the tables of all frames, joined by stem, and the warnings that frames gave, each once."""
    first: dict[str, Table] = {}
    rows: dict[str, _Rows] = {}
    warnings: Counter[str] = Counter()
    for result in finished.frames(maps=()):
        warnings.update(result.warnings)
        for table in result.tables:
            first.setdefault(table.stem, table)
            rows.setdefault(table.stem, _Rows()).add(table.data)
    return {stem: first[stem].with_data(rows[stem].joined()) for stem in first}, _tally(warnings)


class _Rows:
    """Rows of many frames; they are merged as they come, since a table weighs more than its few rows."""

    def __init__(self) -> None:
        self.merged: list[pd.DataFrame] = []
        self.single: list[pd.DataFrame] = []

    def add(self, part: pd.DataFrame) -> None:
        self.single.append(part)
        if len(self.single) == 64:
            self.merged.append(_concatenate(self.single))
            self.single.clear()

    def joined(self) -> pd.DataFrame:
        return _concatenate([*self.merged, *self.single])


def _concatenate(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return all rows; parts without rows are left out, since their columns may have lost their types."""
    return pd.concat([part for part in parts if len(part)] or [parts[0]], ignore_index=True)


def _tally(warnings: Counter[str], most: int = 12) -> tuple[str, ...]:
    lines = [text if count == 1 else f"{text} ({count} frames)" for text, count in warnings.items()]
    return (
        (*lines[:most], f"and {len(lines) - most} more warnings like these")
        if len(lines) > most
        else (*lines,)
    )


def _notes(series: Series) -> tuple[str, ...]:
    notes = [note for stack in series.stacks for note in stack.notes]
    if any(stack.pixel_size is None for stack in series.stacks):
        notes.append("no pixel size: all lengths are in pixels")
    return _tally(Counter(notes))


def _write_maps(output: Path, finished: Finished) -> None:
    """Write each map of the frames: one file of pages for a movie, one file an image for a folder."""
    first = next(finished.frames(), None)
    for stem in first.maps if first is not None else ():
        pages = finished.pages(stem)
        for stack, name in zip(finished.series.stacks, map_names(finished.series, stem), strict=True):
            path = output / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_tif(path, (next(pages) for _ in range(len(stack))), pixel_size=stack.pixel_size)


def map_names(series: Series, stem: str) -> list[str]:
    """Return the files that the maps of a series go to: one of a movie, stem/NAME.tif for each image."""
    if not series.is_folder:
        return [f"{stem}.tif"]
    names = [Path(stack.name) for stack in series.stacks]
    stems = Counter(name.with_suffix("") for name in names)
    own = [name.with_suffix("") if stems[name.with_suffix("")] == 1 else name for name in names]
    return [f"{stem}/{name.as_posix()}.tif" for name in own]


def _content(
    pipeline: Pipeline, finished: Finished, conclusion: Conclusion, warnings: tuple[str, ...], config: str
) -> ReportContent:
    series = finished.series
    kind = "section" if conclusion.sections else "image" if series.is_folder else "frame"
    frames = f"{len(series)} {kind}{'s' if len(series) > 1 else ''}"
    tables = {table.stem: table for table in conclusion.tables}
    columns, events = tables.get("columns"), tables.get("events")
    history = None
    if isinstance(columns, ColumnTable) and series.is_movie:
        history = history_of(columns, tables.get("sites"))
    return ReportContent(
        title=series.name,
        subtitle=f"nanonet {pipeline.name} · {frames}",
        estimates=conclusion.estimates,
        warnings=(*warnings, *conclusion.warnings),
        previews=() if conclusion.sections else tuple(_previews(finished, columns, history, events)),
        history=history,
        events=events,
        frame_time=series.stacks[0].frame_time if series.is_movie else None,
        figures=conclusion.figures,
        tables=conclusion.tables,
        provenance=finished.provenance,
        config=config,
    )


def _previews(
    finished: Finished, columns: Table | None, history: History | None, events: Table | None
) -> Iterator[Preview]:
    series, table = finished.series, columns if isinstance(columns, ColumnTable) else None
    chosen = set(frames_to_show(len(series), events, PREVIEWS if history is None else FRAMES_SHOWN))
    for index, result in enumerate(finished.frames(maps=("labels",))):
        if index in chosen:
            labels = result.maps.get("labels")
            yield make_preview(series[index], label_map=labels, table=table, history=history)


def _yaml(config: Mapping[str, object]) -> str:
    import yaml

    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
