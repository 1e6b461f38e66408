"""What every site of a movie held in every frame, as arrays that figures and viewer are made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from nanonet.records import ColumnTable, Table

UNKNOWN = -1
"""Depth of a site in a frame that tells nothing of it."""
LEAST_SHARE = 0.02
"""Share of the frames that a track has to be seen in, where no model followed the sites: less is noise."""
_ROUNDS = 8


@dataclass(frozen=True, kw_only=True)
class History:
    """Every site in every frame; s sites, t frames in a row.

    Parameters
    ----------
    frames
        (t,) index of each frame.
    tracks
        (s,) ``track_id`` of each site.
    positions
        (s, 2) place (y, x) of each site [``unit``], drift taken off.
    drift
        (t, 2) (y, x) [``unit``]: a site lies at its place + drift in a frame; its mean is 0.
    unit
        "angstrom" or "px".
    depth
        (s, t) atoms; 0 where the site is empty, `UNKNOWN` where nothing is known.
    low, high
        (s, t) ends of its 90 % interval; `UNKNOWN` where not known.
    confidence
        (s, t) as the table gives it; NaN where not known.
    read
        (s, t) depth that the frame alone gave; `UNKNOWN` where no column was found in it.
    followed
        Whether ``depth`` puts all frames together (a table of sites), or is ``read`` itself.
    """

    frames: Int[np.ndarray, " t"]
    tracks: Int[np.ndarray, " s"]
    positions: Float[np.ndarray, "s 2"]
    drift: Float[np.ndarray, "t 2"]
    unit: str
    depth: Int[np.ndarray, "s t"]
    low: Int[np.ndarray, "s t"]
    high: Int[np.ndarray, "s t"]
    confidence: Float[np.ndarray, "s t"]
    read: Int[np.ndarray, "s t"]
    followed: bool

    @property
    def depth_range(self) -> tuple[int, int] | None:
        """Least and greatest depth of what is filled, the ends of the colour scale; None where none is."""
        filled = self.depth[self.depth > 0]
        return (int(filled.min()), int(filled.max())) if len(filled) else None

    def index_of(self, tracks: np.ndarray) -> Int[np.ndarray, " n"]:
        """Return the row of each track, -1 for those that are no site."""
        at = np.searchsorted(self.tracks, tracks)
        found = self.tracks[np.minimum(at, len(self.tracks) - 1)] == tracks
        return np.asarray(np.where(found, at, -1), dtype=np.int64)


def history_of(columns: ColumnTable, sites: Table | None = None) -> History | None:
    """Return what the sites of a movie held; None for what is no movie of linked columns.

    Parameters
    ----------
    columns
        Columns as read frame by frame, with ``track_id``.
    sites
        One row a site and frame (stem "sites"). Without it a site is a track that was seen in at least two
        frames and in `LEAST_SHARE` of them, and its depth is what each frame gave.
    """
    readings = _linked(columns.data)
    source = readings if sites is None else _linked(sites.data)
    if source.empty or source["frame"].nunique() < 2:
        return None
    numbers = np.concatenate([source["frame"].to_numpy(int), readings["frame"].to_numpy(int)])
    frames = np.arange(numbers.min(), numbers.max() + 1)
    if sites is None:
        source = _often_seen(source, len(frames))
        if source.empty:
            return None
    unit = "px" if "y_px" in source else "angstrom"
    tracks = np.unique(source["track_id"].to_numpy(int))
    grid = _Grid(tracks=tracks, frames=frames)
    positions, drift = _places(*(grid.numbers(source, f"{axis}_{unit}") for axis in ("y", "x")))
    return History(
        frames=frames,
        tracks=tracks,
        positions=positions,
        drift=drift,
        unit=unit,
        depth=grid.depths(source, "depth"),
        low=grid.depths(source, "depth_low"),
        high=grid.depths(source, "depth_high"),
        confidence=grid.numbers(source, "confidence"),
        read=grid.depths(readings, "depth"),
        followed=sites is not None,
    )


def _linked(data: pd.DataFrame) -> pd.DataFrame:
    if "track_id" not in data or "frame" not in data:
        return data.iloc[:0].assign(track_id=0, frame=0)
    return data[data["track_id"].notna()]


def _often_seen(data: pd.DataFrame, frames: int) -> pd.DataFrame:
    seen = data["track_id"].map(data["track_id"].value_counts())
    return data[(seen >= max(2.0, LEAST_SHARE * frames)).to_numpy(bool)]


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """Lays the rows of a table out by site and frame."""

    tracks: Int[np.ndarray, " s"]
    frames: Int[np.ndarray, " t"]

    def numbers(self, data: pd.DataFrame, column: str) -> Float[np.ndarray, "s t"]:
        values = np.full((len(self.tracks), len(self.frames)), np.nan, dtype=np.float32)
        if column in data:
            track = data["track_id"].to_numpy(int)
            row = np.minimum(np.searchsorted(self.tracks, track), len(self.tracks) - 1)
            known = self.tracks[row] == track
            frame = data["frame"].to_numpy(int) - self.frames[0]
            given = data[column].to_numpy(dtype=np.float32, na_value=np.nan)
            values[row[known], frame[known]] = given[known]
        return values

    def depths(self, data: pd.DataFrame, column: str) -> Int[np.ndarray, "s t"]:
        values = self.numbers(data, column)
        return np.where(np.isfinite(values), np.nan_to_num(values).round(), UNKNOWN).astype(np.int16)


def _places(
    y: Float[np.ndarray, "s t"], x: Float[np.ndarray, "s t"]
) -> tuple[Float[np.ndarray, "s 2"], Float[np.ndarray, "t 2"]]:
    """Return where each site lies and how each frame is shifted: least squares, alternating between both.

    It starts from the steps between neighbouring frames, so that sites which are seen in late frames only
    do not take the drift for their place.
    """
    fitted = [_fit(axis.astype(float)) for axis in (y, x)]
    places, drift = (np.stack(part, axis=1) for part in zip(*fitted, strict=True))
    return places, drift


def _fit(values: Float[np.ndarray, "s t"]) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " t"]]:
    drift = np.concatenate([[0.0], np.cumsum(_mean(np.diff(values, axis=1), 0))])
    for _ in range(_ROUNDS):
        places = _mean(values - drift, 1)
        drift = _mean(values - places[:, None], 0)
    return _mean(values - drift, 1) + drift.mean(), drift - drift.mean()


def _mean(values: Float[np.ndarray, "a b"], axis: int) -> Float[np.ndarray, " c"]:
    """Return the mean of what is known, 0 where nothing is."""
    known = np.isfinite(values)
    return np.asarray(np.where(known, values, 0).sum(axis) / np.maximum(known.sum(axis), 1))
