"""The columns of one frame as the viewer shows them: what the frame gave, and what the whole movie says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from nanonet.records import ColumnTable, Micrograph
from nanonet.report.history import UNKNOWN, History

SEEN, FOLLOWED, DOUBTED, EMPTY = range(4)
"""A column found in this frame; one that only the model of the movie takes as there; one found that it takes
as noise; a site that is empty now."""


@dataclass(frozen=True, kw_only=True)
class ShownColumns:
    """Columns of one frame, n of them; `UNKNOWN` and NaN stand for what is not known.

    Parameters
    ----------
    positions
        (n, 2) as (y, x) in pixels of the shown image, from the centre of its first pixel.
    state
        (n,) `SEEN`, `FOLLOWED`, `DOUBTED` or `EMPTY`.
    column_id
        (n,) number in the table of the frame.
    track
        (n,) ``track_id``.
    depth, low, high
        (n,) atoms, and the ends of the 90 % interval.
    confidence
        (n,) 0 to 1.
    read
        (n,) depth that this frame alone gave.
    """

    positions: Float[np.ndarray, "n 2"]
    state: Int[np.ndarray, " n"]
    column_id: Int[np.ndarray, " n"]
    track: Int[np.ndarray, " n"]
    depth: Int[np.ndarray, " n"]
    low: Int[np.ndarray, " n"]
    high: Int[np.ndarray, " n"]
    confidence: Float[np.ndarray, " n"]
    read: Int[np.ndarray, " n"]

    def placed(self, corner: tuple[int, int], factor: float) -> ShownColumns:
        """Return them on an image that begins at ``corner`` and has pixels ``factor`` times as large."""
        values = dict(vars(self))
        values["positions"] = (self.positions - np.array(corner) + 0.5) / factor - 0.5
        return ShownColumns(**values)


def shown_columns(micrograph: Micrograph, table: ColumnTable, history: History | None = None) -> ShownColumns:
    """Return the columns of a frame in pixels of the frame.

    Parameters
    ----------
    table
        Columns of this frame or of many; positions in Å (``y_angstrom``) or in pixels (``y_px``).
    history
        Of the movie. Where a model followed the sites, depth, interval and confidence are the model's, and
        sites that it takes as there, or that are empty, are shown too.

    Raises
    ------
    ValueError
        If positions are in Å and the frame has no pixel size.
    """
    readings = _readings(micrograph, table)
    if history is None or not history.followed or micrograph.frame not in history.frames:
        return readings
    return _followed(micrograph, readings, history)


def _scale(micrograph: Micrograph, unit: str) -> float:
    if unit == "px":
        return 1.0
    if micrograph.pixel_size is None:
        raise ValueError("columns measured in Å need a micrograph with a pixel size")
    return micrograph.pixel_size


def _readings(micrograph: Micrograph, table: ColumnTable) -> ShownColumns:
    data = table.data[table.data["frame"] == micrograph.frame] if "frame" in table.data else table.data
    unit = "px" if "y_px" in data else "angstrom"
    positions = data[[f"y_{unit}", f"x_{unit}"]].to_numpy(dtype=float, na_value=np.nan)
    depth = _whole(data, "depth")
    return ShownColumns(
        positions=positions / _scale(micrograph, unit),
        state=np.full(len(data), SEEN),
        column_id=_whole(data, "column_id"),
        track=_whole(data, "track_id"),
        depth=depth,
        low=_whole(data, "depth_low"),
        high=_whole(data, "depth_high"),
        confidence=_number(data, "confidence"),
        read=depth,
    )


def _number(data: pd.DataFrame, name: str) -> Float[np.ndarray, " n"]:
    if name not in data:
        return np.full(len(data), np.nan)
    return np.asarray(data[name].to_numpy(dtype=float, na_value=np.nan))


def _whole(data: pd.DataFrame, name: str) -> Int[np.ndarray, " n"]:
    values = _number(data, name)
    return np.where(np.isfinite(values), np.nan_to_num(values).round(), UNKNOWN).astype(int)


def _followed(micrograph: Micrograph, readings: ShownColumns, history: History) -> ShownColumns:
    """Return the sites as the model has them, then what was found at no site or where it sees none."""
    t = int(micrograph.frame - history.frames[0])
    depth = history.depth[:, t].astype(int)
    at = history.index_of(readings.track)
    row = np.full(len(history.tracks), UNKNOWN)
    row[at[at >= 0]] = np.flatnonzero(at >= 0)
    there, found = depth > 0, row >= 0
    site = np.flatnonzero(there | ((depth == 0) & ~found))
    other = np.setdiff1d(np.arange(len(readings.track)), row[site])
    places = (history.positions + history.drift[t]) / _scale(micrograph, history.unit)
    places[found] = readings.positions[row[found]]
    read = np.where(found, np.append(readings.read, UNKNOWN)[row], UNKNOWN)
    column_id = np.where(found, np.append(readings.column_id, UNKNOWN)[row], UNKNOWN)
    state = np.where(there, np.where(found, SEEN, FOLLOWED), EMPTY)
    return ShownColumns(
        positions=np.concatenate([places[site], readings.positions[other]]),
        state=np.concatenate([state[site], np.full(len(other), DOUBTED)]),
        column_id=np.concatenate([column_id[site], readings.column_id[other]]),
        track=np.concatenate([history.tracks[site], readings.track[other]]),
        depth=np.concatenate([depth[site], readings.depth[other]]),
        low=np.concatenate([history.low[site, t], readings.low[other]]).astype(int),
        high=np.concatenate([history.high[site, t], readings.high[other]]).astype(int),
        confidence=np.concatenate([history.confidence[site, t].astype(float), readings.confidence[other]]),
        read=np.concatenate([read[site], readings.read[other]]),
    )
