"""Readers of column depth: each maps the frames of a movie to a table of columns, whatever it does inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
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
Look = Callable[[Exposure], list[FrameResult]]
"""What a stage makes of the frames of a movie that are to be read."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads movies.

    Parameters
    ----------
    read
        Of the frames that are to be read, frame, y, x [Å of the pixel size that it was told], depth,
        depth_low, depth_high, confidence.
    identity
        Of all that its readings depend on beside the movie: weights, configs, code.
    frames_apart
        Of the frames that it is given to read; more than 1 for readers that are slow and need no others.
    """

    read: Callable[[Exposure], pd.DataFrame]
    identity: str
    frames_apart: int = 1

    def frames(self, length: int, seed: int) -> range:
        """Return which frames of a movie it reads with the noise of a seed: with all seeds, of all states."""
        return range(seed % min(self.frames_apart, length), length, self.frames_apart)


def alone(stage: Stage) -> Look:
    """Return the look at one frame at a time."""
    return lambda exposure: [stage(replace(frame, movie=None)) for frame in exposure.to_read()]


def told_counts(stage: Stage) -> Look:
    """Return the look at one frame at a time of a stage that is told how many counts an atom adds.

    The dose of a movie whose intensities add up is in units of just that.
    """

    def look(exposure: Exposure) -> list[FrameResult]:
        stack = exposure.series.stacks[0]
        counts_per_atom = (stack.dose or 1.0) / exposure.movie.setting.dose
        knowing = partial(stage, counts_per_atom=counts_per_atom)
        return [knowing(replace(frame, movie=None)) for frame in exposure.to_read()]

    return look


def in_a_row(stage: Stage) -> Look:
    """Return the look at each frame with those before and after it."""
    return lambda exposure: [stage(frame) for frame in exposure.to_read()]


def summed(stage: Stage) -> Look:
    """Return the look at sums: the frames around each are laid onto it, and read as one frame."""
    from nanonet.atomic_columns.align import aligned

    def look(exposure: Exposure) -> list[FrameResult]:
        found = []
        for frame in exposure.to_read():
            images = np.stack([near.image for near in frame.around(TOGETHER // 2)])
            counts, _ = aligned(images, max_shift=4.0 / (frame.pixel_size or 1.0))
            total = counts.sum(axis=0, dtype=np.float32)
            found.append(stage(replace(frame, image=total, dose=TOGETHER * (frame.dose or 1.0), movie=None)))
        return found

    return look


def informed(prepare: Callable[[Exposure], Stage]) -> Look:
    """Return the look of a stage that is told of a movie what ``prepare`` tells it."""
    return lambda exposure: alone(prepare(exposure))(exposure)


def unfollowed(look: Look) -> Callable[[Exposure], pd.DataFrame]:
    """Return the columns as they were seen, frame by frame."""
    return lambda exposure: _scored(_joined(look(exposure), "columns").data)


def followed(look: Look, follow: Follow) -> Callable[[Exposure], pd.DataFrame]:
    """Return every place followed through all frames, each seen before.

    As in the pipeline, what cannot be followed stays as it was read.
    """
    from nanonet.atomic_columns.link import link_columns

    def read(exposure: Exposure) -> pd.DataFrame:
        found = look(exposure)
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


def _scored(data: pd.DataFrame) -> pd.DataFrame:
    """Return what is scored of a table of columns; what is unknown is NaN."""
    named = data.rename(columns={"y_angstrom": "y", "x_angstrom": "x"})
    return named[["frame", *NAMES]].astype({"frame": int, **dict.fromkeys(NAMES, float)})
