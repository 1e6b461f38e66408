"""A movie of columns as the tables of a run hold it, with every change known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from nanonet.records import Column, ColumnTable, Series, Stack, Table
from nanonet.report.column_figures import column_figures
from nanonet.report.content import ReportContent
from nanonet.report.event_list import frames_to_show
from nanonet.report.history import history_of
from nanonet.report.preview import make_preview

PIXEL = 0.5
SPACING = 4.0


def described(kind: type[Table], data: pd.DataFrame, units: dict[str, str] | None = None) -> Table:
    columns = (
        Column(name=str(name), unit=(units or {}).get(str(name), ""), meaning=f"{name}; more")
        for name in data.columns
    )
    return kind(data=data, columns=tuple(columns))


class SiteTable(Table):
    stem = "sites"


class EventTable(Table):
    stem = "events"


class LayerTable(Table):
    stem = "layers"


@dataclass(frozen=True, kw_only=True)
class Movie:
    """``depth`` (t, s) is the truth; what a frame reads is one less in every third, nothing where empty."""

    places: np.ndarray
    drift: np.ndarray
    depth: np.ndarray
    unit: str = "angstrom"

    @property
    def positions(self) -> np.ndarray:
        return self.places[None] + self.drift[:, None]

    @property
    def read(self) -> np.ndarray:
        frames = np.arange(len(self.depth))[:, None]
        return np.where(self.depth > 1, self.depth - (frames % 3 == 2), self.depth)

    def columns(self) -> ColumnTable:
        frame, site = np.nonzero(self.read)
        depth = self.read[frame, site]
        data = self._placed(frame, site) | {
            "depth": pd.array(depth, dtype="Int64"),
            "depth_low": pd.array(np.maximum(depth - 1, 1), dtype="Int64"),
            "depth_high": pd.array(depth + 1, dtype="Int64"),
            "confidence": np.full(len(frame), 0.7),
        }
        table = pd.DataFrame(data)
        table.insert(1, "column_id", table.groupby("frame").cumcount() + 1)
        return described(ColumnTable, table)

    def sites(self) -> SiteTable:
        frame, site = (index.ravel() for index in np.indices(self.depth.shape))
        depth = self.depth.ravel()
        data = self._placed(frame, site) | {
            "depth": depth,
            "depth_mean": depth + 0.1,
            "depth_low": np.maximum(depth - 1, 0),
            "depth_high": depth + 1,
            "confidence": np.full(len(frame), 0.9),
            "occupancy": (depth > 0) * 0.98 + 0.01,
        }
        return described(SiteTable, pd.DataFrame(data))

    def events(self) -> EventTable:
        frame, site = np.nonzero(np.diff(self.depth, axis=0))
        frame = frame + 1
        before, after = self.depth[frame - 1, site], self.depth[frame, site]
        data = self._placed(frame, site) | {
            "frame_low": np.maximum(frame - 1, 0),
            "frame_high": np.minimum(frame + 1, len(self.depth) - 1),
            "kind": np.where(after > before, "gain", "loss"),
            "depth_before": before,
            "depth_after": after,
            "probability": 0.99 - 0.4 * np.arange(len(frame)) / max(len(frame), 1),
        }
        return described(EventTable, pd.DataFrame(data))

    def series(self) -> Series:
        """Frames with a dark dot a column, the deeper the darker, on a noisy background."""
        shape = (64, 80)
        scale = 1.0 if self.unit == "px" else PIXEL
        y, x = np.indices(shape) * scale
        frames = []
        for index, (places, depths) in enumerate(zip(self.positions, self.depth, strict=True)):
            noise = np.random.default_rng([index]).normal(0, 5, shape)
            dots = (
                depth * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (8 * scale**2))
                for at, depth in zip(places, depths, strict=True)
            )
            frames.append((100 + noise - 5 * sum(dots)).astype(np.float32))
        stack = Stack(
            frames=frames,
            shape=(len(frames), *shape),
            name="movie.mrc",
            pixel_size=None if self.unit == "px" else PIXEL,
            frame_time=0.5,
        )
        return Series(name="movie.mrc", stacks=(stack,))

    def _placed(self, frame: np.ndarray, site: np.ndarray) -> dict[str, object]:
        y, x = self.positions[frame, site].T
        return {
            "frame": frame,
            "track_id": pd.array(10 * (site + 1), dtype="Int64"),
            f"y_{self.unit}": y,
            f"x_{self.unit}": x,
        }


def layer_table(**names: float) -> LayerTable:
    layer = np.arange(1, 5)
    data: dict[str, object] = {"layer": layer, "distance_angstrom": 3.0 * layer, "n_sites": 20 - 4 * layer}
    for name, top in names.items():
        value = top / layer
        data |= {
            name: value,
            f"{name}_low": value - 0.1 * top / layer,
            f"{name}_high": value + 0.2 * top / layer,
        }
    return described(LayerTable, pd.DataFrame(data), dict.fromkeys(names, "per column and frame"))


def movie_content(
    movie: Movie, *, frame_time: float | None = 0.5, name: str = "movie.mrc", events: bool = True
) -> ReportContent:
    """Return what the page of a movie is made from, as a run puts it together."""
    columns, sites = movie.columns(), movie.sites()
    changes = movie.events() if events else None
    history, series = history_of(columns, sites), movie.series()
    previews = (
        make_preview(series[frame], table=columns, history=history)
        for frame in frames_to_show(len(series), changes)
    )
    return ReportContent(
        title=name,
        subtitle="columns",
        previews=tuple(previews),
        history=history,
        events=changes,
        frame_time=frame_time,
        figures=column_figures(columns, sites=sites, events=changes, frame_time=frame_time),
        tables=tuple(table for table in (columns, sites, changes) if table is not None),
    )


@pytest.fixture(scope="session")
def content_of():
    return movie_content


@pytest.fixture(scope="session")
def make_movie():
    """A function that returns a movie: a square of sites that drifts, each gaining or losing now and then."""

    def make(
        frames: int = 30, side: int = 4, *, rate: float = 0.03, unit: str = "angstrom", seed: int = 0
    ) -> Movie:
        rng = np.random.default_rng(seed)
        grid = np.stack(np.indices((side, side)), -1).reshape(-1, 2)
        change = (rng.random((frames, side**2)) < rate) * rng.choice([-1, 1], (frames, side**2))
        depth = np.empty((frames, side**2), dtype=int)
        now = rng.integers(1, 7, side**2)
        for index in range(frames):
            now = np.clip(now + change[index], 0, 9)
            depth[index] = now
        scale = 2.0 if unit == "px" else 1.0
        drift = np.outer(np.arange(frames) / frames, [2.0, 3.0])
        return Movie(
            places=scale * (8.0 + SPACING * grid),
            drift=scale * (drift - drift.mean(0)),
            depth=depth,
            unit=unit,
        )

    return make


@pytest.fixture(scope="session")
def make_layers():
    return layer_table
