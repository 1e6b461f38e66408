"""The page of a movie: frames, curves and events in one small file, and no text of a stranger as code."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from nanonet.records import Column, ColumnTable, Series, Stack, Table
from nanonet.report.column_figures import column_figures
from nanonet.report.content import ReportContent
from nanonet.report.event_list import frames_to_show
from nanonet.report.history import history_of
from nanonet.report.page import render, write_report
from nanonet.report.preview import make_preview


def data_of(text: str) -> dict:
    return json.loads(re.search(r'id="report-data">(.*?)</script>', text, re.DOTALL)[1])


@pytest.fixture(scope="module")
def movie(make_movie):
    return make_movie(frames=20, rate=0.05)


@pytest.fixture(scope="module")
def text(movie, content_of) -> str:
    return render(content_of(movie))


def test_frames_carry_their_mean_and_what_is_known_of_each_column(movie, text):
    previews = data_of(text)["previews"]
    assert len(previews) == 20
    assert all(preview["mean"].startswith("data:image/jpeg") for preview in previews)
    columns = previews[5]["columns"]
    assert columns["track"] == (10 * np.arange(1, 17)).tolist()
    assert [depth or 0 for depth in columns["depth"]] == movie.depth[5].tolist()
    assert set(columns["confidence"]) == {0.9}
    assert len(columns["xy"]) == 32


def test_the_scale_of_depth_is_the_same_everywhere(movie, text):
    data = data_of(text)
    rows = next(f for f in data["figures"] if f["data"] and f["data"][0].get("colorscale") == "Viridis")
    filled = movie.depth[movie.depth > 0]
    assert data["depths"] == [filled.min(), filled.max()]
    assert [rows["data"][0]["zmin"], rows["data"][0]["zmax"]] == data["depths"]


def test_events_are_listed_with_what_moves_the_viewer(movie, text):
    events = movie.events().data.sort_values("probability", ascending=False)
    buttons = re.findall(r'class="go" data-frame="(\d+)" data-track="(\d+)"', text)
    wanted = events[["frame", "track_id"]].to_numpy(int)[:50]
    np.testing.assert_array_equal(np.array(buttons, dtype=int), wanted)
    assert "column over time" not in text
    drawn = data_of(text)["events"]
    assert sorted(drawn["frame"]) == sorted(events["frame"])


def test_figures_stand_under_headings(text):
    headings = re.findall(r'<h3 class="group">(.*?)</h3>', text)
    assert headings == ["Columns", "Depth over time", "Events", "How far to trust the numbers"]
    assert text.count('<div class="plot"') == len(data_of(text)["figures"])


def test_the_caption_says_what_is_kept(make_movie, content_of, text):
    assert "frames are kept in this page" not in text
    assert "mean of the frames up to 3 before and after" in text
    long = render(content_of(make_movie(frames=90, rate=0.02)))
    shown = len(data_of(long)["previews"])
    assert shown <= 60
    assert f"{shown} of 90 frames are kept in this page, spread evenly and around the most certain" in long


def test_a_movie_without_events_or_times_has_a_page(movie, content_of):
    text = render(content_of(movie, frame_time=None, events=False))
    assert "Most certain events" not in text
    assert data_of(text)["events"] is None
    assert 'id="trace"' in text


def test_names_of_strangers_stay_text(movie, content_of):
    evil = "</script><img src=x onerror=alert(1)>\"'&"
    text = render(content_of(movie, name=evil))
    assert "<img src=x" not in text
    assert data_of(text)["figures"]


def test_nothing_is_fetched(text):
    without_plotly = re.sub(r"<script>/\*\*.*?</script>", "", text, count=1, flags=re.DOTALL)
    page = re.sub(r"<script.*?</script>", "", without_plotly, flags=re.DOTALL)
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", page)
    assert "http" not in re.sub(r"http-equiv", "", page)


@pytest.mark.slow
def test_five_thousand_frames_of_250_columns_are_below_8_megabytes(tmp_path):
    frames, sites, side = 5000, 250, 512
    rng = np.random.default_rng(0)
    grid = 60 + 3.3 * np.stack(np.indices((16, 16)), -1).reshape(-1, 2)[:sites]
    steps = rng.choice([-1, 0, 1], (frames, sites), p=[0.002, 0.996, 0.002])
    depth = np.clip(rng.integers(3, 8, sites) + np.cumsum(steps, axis=0), 0, 11)
    drift = np.cumsum(rng.normal(0, 0.02, (frames, 2)), axis=0)
    read = np.clip(depth + rng.choice([-1, 0, 1], depth.shape, p=[0.2, 0.6, 0.2]), 1, 12)
    frame, site = (index.ravel() for index in np.indices(depth.shape))
    y, x = (grid[site] + drift[frame]).T
    shared = {"frame": frame, "track_id": site + 1, "y_angstrom": y, "x_angstrom": x}
    wide = rng.random(depth.shape) < 0.05
    believed = shared | {
        "depth": depth.ravel(),
        "depth_low": np.maximum(depth - wide, 0).ravel(),
        "depth_high": (depth + wide).ravel(),
        "confidence": rng.random(len(frame)),
    }
    t, s = np.nonzero(np.diff(depth, axis=0))
    changes = {
        "track_id": s + 1,
        "frame": t + 1,
        "frame_low": t,
        "frame_high": np.minimum(t + 2, frames - 1),
        "depth_before": depth[t, s],
        "depth_after": depth[t + 1, s],
        "probability": rng.uniform(0.5, 1, len(t)),
    }

    def table(kind, data):
        columns = tuple(Column(name=name, unit="", meaning=name) for name in data)
        return kind(data=pd.DataFrame(data), columns=columns)

    class Noise:
        def __len__(self):
            return frames

        def __getitem__(self, index):
            noise = np.random.default_rng([index]).integers(0, 99, (side, side), dtype=np.uint8)
            return noise.astype(np.float32)

    stack = Stack(frames=Noise(), shape=(frames, side, side), name="long.mrc", pixel_size=0.25)
    series = Series(name="long.mrc", stacks=(stack,))
    columns = table(ColumnTable, shared | {"depth": read.ravel(), "confidence": rng.random(len(frame))})
    followed, events = table(Table, believed), table(Table, changes)
    history = history_of(columns, followed)
    chosen = frames_to_show(frames, events)
    page = ReportContent(
        title="long.mrc",
        subtitle="",
        previews=tuple(make_preview(series[f], table=columns, history=history) for f in chosen),
        history=history,
        events=events,
        figures=column_figures(columns, sites=followed, events=events),
        tables=(columns, followed, events),
    )
    write_report(tmp_path / "report.html", page)
    assert len(events) > 4000
    assert (tmp_path / "report.html").stat().st_size < 8e6
    data = data_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert len(data["previews"]) >= 24
    assert data["traces"]["depths"]["step"] <= 4
