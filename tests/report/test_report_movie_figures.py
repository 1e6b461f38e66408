"""Figures of a movie say what the tables hold, in time or frames, in Å or pixels, and stay small."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from nanonet.report.column_figures import column_figures
from nanonet.report.content import Figure
from nanonet.report.history import history_of
from nanonet.report.layer_figures import layer_figures
from nanonet.report.rim import rim_distance, rim_order, spacing


def _figures(movie, **more) -> dict[str, Figure]:
    figures = column_figures(movie.columns(), sites=movie.sites(), events=movie.events(), **more)
    for figure in figures:
        go.Figure(data=list(figure.data), layout=dict(figure.layout))
        assert figure.caption.endswith(".")
        json.dumps([list(figure.data), dict(figure.layout)], allow_nan=False)
    return {figure.title.split(":")[0]: figure for figure in figures}


@pytest.fixture(scope="module")
def movie(make_movie):
    return make_movie(frames=40, rate=0.05)


@pytest.fixture(scope="module")
def figures(movie, make_layers):
    given = Figure(title="Reliability: 0.02", caption="It is good.", data=(), layout={})
    layers = make_layers(occupancy=1.0, change_rate=0.05)
    return _figures(movie, layers=layers, frame_time=0.5, reliability=(given,))


def test_a_movie_has_every_figure_in_the_order_of_reading(figures):
    assert list(figures) == [
        "Column depth",
        "Columns over time",
        "Depth histogram over time",
        "Mean depth over time",
        "Every site over time",
        "Events",
        "Where depth changes",
        "Migration",
        "Occupancy against the layer",
        "Change rate against the layer",
        "Reliability",
        "Confidence of single readings",
    ]
    groups = [figure.group for figure in figures.values()]
    assert groups == sorted(groups, key=groups.index), "each heading is there once"
    assert all(groups)


def test_time_is_in_seconds_where_it_is_known_and_in_frames_elsewhere(movie, figures):
    histogram = figures["Depth histogram over time"]
    assert histogram.layout["xaxis"]["title"]["text"] == "time (s)"
    np.testing.assert_allclose(histogram.data[0]["x"], 0.5 * np.arange(40))
    in_frames = _figures(movie)
    assert in_frames["Columns by frame"].layout["xaxis"]["title"]["text"] == "frame"
    np.testing.assert_allclose(in_frames["Depth histogram over time"].data[0]["x"], np.arange(40))


def test_the_histogram_over_time_counts_every_column(movie, figures):
    trace = figures["Depth histogram over time"].data[0]
    counts = np.array(trace["z"], dtype=float)
    for depth, row in zip(trace["y"], counts, strict=True):
        np.testing.assert_array_equal(np.nan_to_num(row), (movie.depth == depth).sum(1))


def test_the_mean_and_its_band_are_of_the_columns_that_are_there(movie, figures):
    low, high, mean = (np.array(trace["y"]) for trace in figures["Mean depth over time"].data)
    filled = [row[row > 0] for row in movie.depth]
    np.testing.assert_allclose(mean, [row.mean() for row in filled], rtol=1e-4)
    np.testing.assert_allclose(low, [np.maximum(row - 1, 0).mean() for row in filled], rtol=1e-4)
    np.testing.assert_allclose(high, [(row + 1).mean() for row in filled], rtol=1e-4)


def test_every_site_is_a_row_from_the_rim_inwards(movie, figures):
    trace = figures["Every site over time"].data[0]
    history = history_of(movie.columns(), movie.sites())
    order = rim_order(history.positions, history.depth)
    rows = np.nan_to_num(np.array(trace["z"], dtype=float))
    np.testing.assert_array_equal(rows, movie.depth.T[order])
    assert (trace["zmin"], trace["zmax"]) == history.depth_range
    assert trace["colorscale"] == "Viridis"
    inner = {5, 6, 9, 10}
    assert set(order[-4:].tolist()) == inner


def test_every_event_is_a_mark_at_its_time_and_row(movie, figures):
    events = movie.events().data
    marks = [trace for trace in figures["Events"].data if trace["type"] == "scatter"]
    found = np.concatenate([np.array(trace["customdata"]) for trace in marks])
    wanted = events[["frame", "track_id", "depth_before", "depth_after"]].to_numpy(float)
    assert sorted(map(tuple, found[:, :4])) == sorted(map(tuple, wanted))
    for trace in marks:
        np.testing.assert_allclose(trace["x"], 0.5 * np.array(trace["customdata"])[:, 0])
        assert trace["meta"] == {"jump": True}
    bars = [trace for trace in figures["Events"].data if trace["type"] == "bar"]
    assert sum(np.sum(trace["customdata"]) for trace in bars) == pytest.approx(
        events["probability"].sum(), rel=1e-3
    )
    assert min(bars[0]["y"]) >= 0 >= max(bars[1]["y"])


def test_the_maps_hold_each_site_at_its_place(movie, figures):
    events = movie.events().data
    change = events["depth_after"] - events["depth_before"]
    net = (change * events["probability"]).groupby(events["track_id"]).sum()
    for name in ("Where depth changes", "Migration"):
        trace = figures[name].data[0]
        np.testing.assert_allclose(np.stack([trace["y"], trace["x"]], 1), movie.places, atol=0.01)
        assert figures[name].layout["yaxis"]["autorange"] == "reversed"
        assert figures[name].layout["yaxis"]["scaleanchor"] == "x"
    for custom, colour in zip(trace["customdata"], trace["marker"]["color"], strict=True):
        assert colour == pytest.approx(net.get(custom[1], 0.0), abs=2e-3)
    assert trace["marker"]["cmin"] == -trace["marker"]["cmax"]


def test_arrows_are_drawn_only_beyond_chance(make_movie):
    quiet = make_movie(frames=300, rate=0.03)
    migration = _figures(quiet)["Migration"]
    assert "no arrows" in migration.caption
    assert migration.layout["annotations"] == []
    depth = np.full((300, 16), 5)
    for index, frame in enumerate(range(10, 290, 14)):
        step = -1 if index % 2 else 1
        depth[frame:, 5] -= step
        depth[frame:, 6] += step
    hopping = type(quiet)(places=quiet.places, drift=quiet.drift, depth=depth)
    migration = _figures(hopping)["Migration"]
    assert "20 moves" in migration.title
    arrows = migration.layout["annotations"]
    assert len(arrows) == 2
    assert {np.sign(arrow["x"] - arrow["ax"]) for arrow in arrows} == {-1, 1}


@pytest.mark.parametrize("unit", ["angstrom", "px"])
def test_lengths_are_in_the_unit_of_the_tables(make_movie, unit):
    figures = _figures(make_movie(unit=unit))
    sign = {"angstrom": "Å", "px": "px"}[unit]
    assert figures["Migration"].layout["xaxis"]["title"]["text"] == f"x ({sign})"


def test_layers_have_their_intervals(make_layers):
    table = make_layers(occupancy=0.9, gains=0.04, losses=0.02)
    occupancy, changes = layer_figures(table)
    (points,) = occupancy.data
    data = table.data
    np.testing.assert_allclose(points["y"], data["occupancy"], rtol=1e-3)
    np.testing.assert_allclose(
        points["error_y"]["array"], data["occupancy_high"] - data["occupancy"], rtol=1e-3
    )
    np.testing.assert_allclose(
        points["error_y"]["arrayminus"], data["occupancy"] - data["occupancy_low"], rtol=1e-3
    )
    assert [trace["name"] for trace in changes.data] == ["gains", "losses"]
    assert "per column and frame" in changes.layout["yaxis"]["title"]["text"]
    assert layer_figures(table.with_data(data.iloc[:0])) == ()
    assert layer_figures(table.with_data(data.assign(occupancy=np.nan, gains=np.nan, losses=np.nan))) == ()


def test_columns_alone_make_a_movie_too(movie):
    figures = column_figures(movie.columns(), frame_time=0.5)
    titles = [figure.title.split(":")[0] for figure in figures]
    assert "Every site over time" in titles
    assert "Events" not in titles
    assert "by itself" in next(f for f in figures if f.title == "Every site over time").caption


def test_empty_tables_have_no_figures(movie):
    columns, sites, events = movie.columns(), movie.sites(), movie.events()
    none = [table.with_data(table.data.iloc[:0]) for table in (columns, sites, events)]
    assert column_figures(none[0], sites=none[1], events=none[2]) == ()
    some = column_figures(columns, sites=sites, events=none[2])
    assert not any(figure.group == "Events" for figure in some)


def test_one_frame_and_one_site(make_movie):
    movie = make_movie(frames=3, side=1, rate=1.0)
    assert _figures(movie)["Migration"].data[0]["x"]
    one = movie.columns()
    figures = column_figures(one.with_data(one.data[one.data["frame"] == 0]))
    assert [figure.title.split(":")[0] for figure in figures] == [
        "Column depth",
        "Confidence of single readings",
    ]


def test_a_long_movie_stays_small(make_movie):
    movie = make_movie(frames=2000, side=12, rate=0.01)
    text = json.dumps(
        [[list(f.data), dict(f.layout)] for f in _figures(movie, frame_time=0.1).values()],
        separators=(",", ":"),
    )
    assert len(movie.events()) > 2500
    assert len(text) < 500_000


def test_the_rim_is_that_of_the_sites_that_are_filled():
    grid = np.stack(np.indices((5, 5)), -1).reshape(-1, 2).astype(float)
    places = np.concatenate([grid, [[20.0, 2.0]]])
    inside = np.arange(26) < 25
    distance = rim_distance(places, inside)
    assert distance[12] == pytest.approx(2.0)
    assert distance[0] == pytest.approx(0.0, abs=1e-9)
    assert distance[25] == pytest.approx(-16.0)
    depth = np.where(inside, 3, 0)[:, None].repeat(4, axis=1)
    assert rim_order(places, depth)[0] == 25
    assert rim_order(places, depth)[-1] == 12
    assert (rim_distance(grid[:2], np.ones(2, bool)) == 0).all()
    assert spacing(grid) == 1.0
    assert spacing(grid[:1]) == 1.0


def test_a_series_of_images_has_no_figures_over_time(movie):
    columns = movie.columns()
    unlinked = columns.data.assign(track_id=pd.array([None] * len(columns), dtype="Int64"))
    titles = [figure.title for figure in column_figures(columns.with_data(unlinked))]
    assert "Columns by frame" in titles
    assert not any("over time" in title for title in titles)
