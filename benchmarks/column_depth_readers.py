"""Readers of column depth: each maps the frames of a movie to a table of columns, whatever it does inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd
from column_depth_exposures import Exposure

from nanonet.records import ColumnTable, FrameResult, InputError, Micrograph, Table

Stage = Callable[[Micrograph], FrameResult]
"""A variant of the config group ``columns``: a frame to its columns."""
Follow = Callable[..., tuple[Table, ...]]
"""A variant of the config group ``follow``: columns and their probabilities to a table of sites, ..."""
TOGETHER = 7
"""Frames that are added up, where frames are."""
NAMES = ("y", "x", "depth", "depth_low", "depth_high", "confidence")
Reader = Callable[[Exposure], pd.DataFrame]
"""Returns frame, y, x [Å of the pixel size that it was told], depth, depth_low, depth_high, confidence."""


def alone(stage: Stage) -> Reader:
    """Return the reader that sees one frame at a time."""

    def read(exposure: Exposure) -> pd.DataFrame:
        return _table([stage(replace(frame, movie=None)) for frame in exposure.series])

    return read


def in_a_row(stage: Stage) -> Reader:
    """Return the reader that may look at the frames before and after each."""

    def read(exposure: Exposure) -> pd.DataFrame:
        return _table([stage(frame) for frame in exposure.series])

    return read


def summed(stage: Stage) -> Reader:
    """Return the reader that adds up frames around each, laid onto it, and reads the sum as one frame."""
    from nanonet.atomic_columns.align import aligned

    def read(exposure: Exposure) -> pd.DataFrame:
        found = []
        for frame in exposure.series:
            images = np.stack([near.image for near in frame.around(TOGETHER // 2)])
            counts, _ = aligned(images, max_shift=4.0 / (frame.pixel_size or 1.0))
            total = counts.sum(axis=0, dtype=np.float32)
            found.append(stage(replace(frame, image=total, dose=TOGETHER * (frame.dose or 1.0), movie=None)))
        return _table(found)

    return read


def followed(stage: Stage, follow: Follow, *, in_a_row: bool) -> Reader:
    """Return the reader that follows every place through all frames, each read before.

    As in the pipeline, what cannot be followed stays as it was read.

    Parameters
    ----------
    in_a_row
        Whether each frame is read with those before and after it.
    """
    from nanonet.atomic_columns.link import link_columns

    def read(exposure: Exposure) -> pd.DataFrame:
        frames = exposure.series if in_a_row else (replace(frame, movie=None) for frame in exposure.series)
        found = [stage(frame) for frame in frames]
        columns = link_columns(cast("ColumnTable", _joined(found, "columns")))
        _, *pixels = exposure.series.stacks[0].shape
        field = tuple(length * (exposure.series.pixel_size or 1.0) for length in pixels)
        try:
            tables = follow(columns, _joined(found, "depth_probabilities"), field=field)
        except InputError:
            return _scored(columns.data)
        sites = _of_stem(tables, "sites").data
        return _scored(sites[sites["depth"] > 0])

    return read


def _of_stem(tables: Iterable[Table], stem: str) -> Table:
    return next(table for table in tables if table.stem == stem)


def _joined(found: list[FrameResult], stem: str) -> Table:
    """Return the tables of one kind of all frames as one."""
    parts = [_of_stem(result.tables, stem) for result in found]
    return parts[0].with_data(pd.concat([part.data for part in parts], ignore_index=True))


def _table(found: list[FrameResult]) -> pd.DataFrame:
    """Return the column tables of all frames as one."""
    return _scored(_joined(found, "columns").data)


def _scored(data: pd.DataFrame) -> pd.DataFrame:
    """Return what is scored of a table of columns; what is unknown is NaN."""
    named = data.rename(columns={"y_angstrom": "y", "x_angstrom": "x"})
    return named[["frame", *NAMES]].astype({"frame": int, **dict.fromkeys(NAMES, float)})
