"""Figures of tracks say what their tables hold, for few tracks and many, and for none."""

import json

import numpy as np
import pytest
from particle_rows import Row, bystanders, table

from nanonet.measure.distribution import size_distribution
from nanonet.measure.film import Film
from nanonet.measure.follow import follow
from nanonet.measure.link import link
from nanonet.report.charts import mean_over_frames
from nanonet.report.content import Figure
from nanonet.report.particle_figures import particle_figures
from nanonet.report.track_figures import COLOURS, FEW, track_figures


def figures(rows: list[Row], frames: int, frame_time: float | None = None) -> dict[str, Figure]:
    linked = link(table(rows))
    tracks, events = follow(linked, Film(frames=frames, frame_time=frame_time))
    found = track_figures(linked, tracks, events, frame_time)
    json.dumps([figure.data for figure in found], allow_nan=False)
    return {figure.title.split(":")[0]: figure for figure in found}


def merging(frames: int) -> list[Row]:
    rows: list[Row] = []
    for t in range(frames):
        rows += [(t, 40.0, 44.0, 160.0)] if t >= 8 else [(t, 40.0, 40.0, 120.0), (t, 40.0, 51.0, 60.0)]
    return rows


def test_many_tracks_are_lines_of_one_colour_and_events_are_marked() -> None:
    found = figures([*bystanders(16), *merging(16)], 16, 2.0)
    sizes = found["Size of every particle over time"]
    assert "14 tracks" in sizes.title
    assert "1 coalescences" in sizes.caption
    mark = next(trace for trace in sizes.data if trace.get("mode") == "markers")
    assert mark["x"] == [16.0]
    assert mark["y"] == pytest.approx([(4 * 160 / 3.14159265) ** 0.5], rel=1e-3)
    assert not any(trace["showlegend"] for trace in sizes.data if trace["mode"] == "lines")


def test_few_tracks_are_named() -> None:
    found = figures(merging(16), 16)
    lines = [trace for trace in next(iter(found.values())).data if "track" in trace.get("name", "")]
    assert [line["name"] for line in lines] == ["track 1", "track 2"]
    assert len(COLOURS) >= FEW


def test_rates_and_fates_are_those_of_the_tables() -> None:
    found = figures(bystanders(20, growth=0.1), 20, 1.0)
    rates = found["Growth rate"]
    assert "median 0.099 nm/s" in rates.title
    assert len(rates.data[0]["y"]) == 12
    assert min(rates.data[0]["error_y"]["array"]) > 0
    fates = found["How tracks begin and end"]
    assert {name: n for trace in fates.data for name, n in zip(trace["y"], trace["x"], strict=True)} == {
        "began: start of movie": 12,
        "ended: end of movie": 12,
    }


def test_a_movie_without_particles_or_of_two_frames() -> None:
    assert figures([], 3) == {}
    assert figures(bystanders(2), 2) == {}


def test_the_mean_size_over_time_carries_its_interval() -> None:
    rows = [*bystanders(4), (6, 0.0, 0.0, 80.0), (7, 0.0, 0.0, 1.0), (7, 9.0, 9.0, 99.0)]
    data = table(rows).data
    mean = mean_over_frames(data["frame"], data["equivalent_diameter_nm"])
    first = data.loc[data["frame"] == 0, "equivalent_diameter_nm"]
    half = 1.7959 * first.std() / np.sqrt(12)  # the 95 % quantile of Student's t with 11 degrees of freedom
    assert mean.loc[0, ["low", "high"]].tolist() == pytest.approx(
        [first.mean() - half, first.mean() + half], rel=1e-4
    )
    assert mean["low"].tolist()[-2:] == pytest.approx([np.sqrt(320 / np.pi), 0.0])
    found = particle_figures(table(bystanders(4)), size_distribution(table(bystanders(4))), 0.5)
    assert [figure.title for figure in found][-2:] == ["Particles over time", "Size over time"]
    assert found[-1].data[-1]["x"] == [0.0, 0.5, 1.0, 1.5]
