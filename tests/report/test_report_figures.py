"""Figures say what the tables hold, whatever is missing in them, and stay small."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from nanonet.measure.distribution import size_distribution
from nanonet.records import Column, ColumnTable, LatticeTable, ParticleTable, Table
from nanonet.report.charts import counts_over_frames, over_frames
from nanonet.report.column_figures import column_figures
from nanonet.report.content import Figure
from nanonet.report.particle_figures import particle_figures


def _table(kind: type[Table], data: pd.DataFrame, units: dict[str, str] | None = None) -> Table:
    columns = (Column(name=name, unit=(units or {}).get(name, ""), meaning=f"{name}; more") for name in data)
    return kind(data=data, columns=tuple(columns))


def _particles(frames: int, per_frame: int, unit: str = "nm", images: int = 1) -> ParticleTable:
    rng = np.random.default_rng(0)
    n = frames * per_frame
    frame = np.repeat(np.arange(frames), per_frame)
    data = {
        "image": [f"image_{f % images}.tif" for f in frame],
        "frame": frame,
        "particle_id": np.tile(np.arange(1, per_frame + 1), frames),
        "track_id": pd.array([None] * n, dtype="Int64"),
        f"equivalent_diameter_{unit}": rng.normal(10, 1, n),
        "circularity": rng.uniform(0.5, 1, n),
        "touches_border": rng.random(n) < 0.1,
        "confidence": np.ones(n),
        f"x_{unit}": np.zeros(n),
    }
    return _table(ParticleTable, pd.DataFrame(data))


def _columns(frames: int, per_frame: int, *, known: bool = True, unit: str = "angstrom") -> ColumnTable:
    rng = np.random.default_rng(0)
    n = frames * per_frame
    data = {
        "frame": np.repeat(np.arange(frames), per_frame),
        "column_id": np.tile(np.arange(1, per_frame + 1), frames),
        f"y_{unit}": rng.random(n),
        f"x_{unit}": rng.random(n),
        "depth": pd.array(rng.integers(1, 9, n) if known else [None] * n, dtype="Int64"),
        "confidence": rng.random(n),
    }
    return _table(ColumnTable, pd.DataFrame(data))


def _lattice(frames: int) -> LatticeTable:
    a = 3.905 + 0.001 * np.arange(frames)
    data = {
        "frame": np.arange(frames),
        "a_angstrom": a,
        "a_low_angstrom": a - 0.01,
        "a_high_angstrom": a + 0.01,
    }
    return _table(LatticeTable, pd.DataFrame(data), dict.fromkeys(data, "Å"))


def _check(figures: tuple[Figure, ...]) -> str:
    """Return the JSON of figures after plotly has accepted each of their properties."""
    for figure in figures:
        go.Figure(data=list(figure.data), layout=dict(figure.layout))
        assert figure.title
        assert figure.caption.endswith(".")
    return json.dumps([[list(f.data), dict(f.layout)] for f in figures], allow_nan=False)


def figures_of(table: ParticleTable) -> tuple[Figure, ...]:
    return particle_figures(table, size_distribution(table))


def _titles(figures: tuple[Figure, ...]) -> list[str]:
    return [figure.title for figure in figures]


@pytest.mark.parametrize("unit", ["nm", "px"])
def test_sizes_are_in_the_unit_of_the_table(unit):
    figures = figures_of(_particles(1, 200, unit))
    _check(figures)
    assert [figure.layout["xaxis"]["title"]["text"] for figure in figures] == [
        f"equivalent diameter ({unit})"
    ] * 2


def test_the_size_distribution_counts_each_whole_particle_once():
    table = _particles(1, 500)
    sizes = figures_of(table)[0]
    whole = table.data[~table.data["touches_border"]]["equivalent_diameter_nm"]
    assert sum(sizes.data[0]["y"]) == len(whole)
    assert f"median {whole.median():.3g}" in sizes.title
    assert f"{len(table) - len(whole)} cut by the border" in sizes.caption
    low, high = (sizes.layout["shapes"][0][end] for end in ("x0", "x1"))
    assert whole.between(low, high).mean() == pytest.approx(0.9, abs=0.01)


def test_only_a_movie_has_figures_over_time():
    over_time = ["Particles over time", "Size over time"]
    assert _titles(figures_of(_particles(5, 10)))[2:] == over_time
    assert len(figures_of(_particles(1, 50))) == 2
    assert len(figures_of(_particles(5, 10, images=5))) == 2


def test_frames_without_particles_count_as_zero():
    counts = counts_over_frames(pd.Series([0, 0, 3]))
    assert counts["mean"].tolist() == [2, 0, 0, 1]


def test_long_movies_are_averaged_without_changing_the_mean():
    frames = pd.Series(np.repeat(np.arange(5000), 2))
    values = pd.Series(np.sin(frames / 500))
    points = over_frames(frames, values, most=400)
    assert 350 <= len(points) <= 400
    assert points["mean"].mean() == pytest.approx(values.mean(), abs=0.01)
    assert points["frame"].is_monotonic_increasing
    np.testing.assert_allclose(points["mean"], np.sin(points["frame"] / 500), atol=0.01)
    assert (points["low"] <= points["mean"]).all()
    assert (points["mean"] <= points["high"]).all()


def test_thousands_of_frames_stay_small():
    text = _check(figures_of(_particles(4000, 20)))
    assert len(text) < 400_000
    text = _check(column_figures(_columns(4000, 20), _lattice(4000)))
    assert len(text) < 400_000


def test_a_movie_of_columns_has_every_figure():
    score = pd.DataFrame({"true_depth": [1.0, 2.0], "depth": [1.0, 3.0]})
    figures = column_figures(_columns(10, 50), _lattice(10), score)
    _check(figures)
    assert [title.split(":")[0] for title in _titles(figures)] == [
        "Column depth",
        "Columns by frame",
        "Read against true depth",
        "Confidence of single readings",
        "Lattice constant a by frame",
    ]


def test_a_finder_that_reads_no_depth_has_no_figures_of_depth():
    figures = column_figures(_columns(3, 20, known=False), _lattice(3))
    _check(figures)
    assert not any("epth" in title for title in _titles(figures))
    assert len(figures) == 3


def test_one_frame_and_pixels():
    figures = column_figures(_columns(1, 20, unit="px"), _lattice(1))
    _check(figures)
    assert [title.split(":")[0] for title in _titles(figures)] == [
        "Column depth",
        "Confidence of single readings",
    ]


def test_empty_tables_have_no_figures():
    assert figures_of(_particles(0, 0)) == ()
    nothing = pd.DataFrame({"true_depth": [], "depth": []})
    assert column_figures(_columns(0, 0), _lattice(0), nothing) == ()


def test_values_that_are_all_the_same_still_make_a_figure():
    table = _particles(1, 3)
    same = table.with_data(
        table.data.assign(equivalent_diameter_nm=5.0, circularity=1.0, touches_border=False)
    )
    figures = figures_of(same)
    _check(figures)
    assert sum(figures[0].data[0]["y"]) == 3
    one = same.with_data(same.data.iloc[:1])
    _check(figures_of(one))


def test_when_all_particles_touch_the_border_there_are_no_sizes():
    table = _particles(2, 5)
    figures = figures_of(table.with_data(table.data.assign(touches_border=True)))
    assert _titles(figures) == ["Particles over time"]


def test_the_title_of_the_comparison_is_right():
    score = pd.DataFrame({"true_depth": [4, 4, 4, 5, 5, 6, 6, 6], "depth": [4, 4, 5, 5, 7, 6, 6, None]})
    (figure, *_) = column_figures(_columns(0, 0), score=score.astype("Int64"))
    assert "exact 62.5\u00a0%, within one 75.0\u00a0%" in figure.title
    assert "8 true columns" in figure.caption
    assert "1 that were not found" in figure.caption
    matrix = figure.data[0]
    row = dict(zip(matrix["x"], matrix["z"][matrix["y"].index(4)], strict=True))
    assert row == {4: pytest.approx(66.67), 5: pytest.approx(33.33), 6: None, 7: None}
    assert matrix["customdata"][matrix["y"].index(6)][matrix["x"].index(6)] == 2
    _check((figure,))


def test_almost_all_is_not_all():
    depth = np.full(5000, 3.0)
    true = depth.copy()
    true[0] = 9.0
    (figure, *_) = column_figures(_columns(0, 0), score=pd.DataFrame({"true_depth": true, "depth": depth}))
    assert "exact >99.9\u00a0%" in figure.title


def test_a_comparison_in_which_nothing_was_found():
    (figure, *_) = column_figures(
        _columns(0, 0), score=pd.DataFrame({"true_depth": [3.0], "depth": [np.nan]})
    )
    _check((figure,))
    assert "exact 0.0\u00a0%" in figure.title


def test_a_lattice_that_was_not_found_in_some_frames():
    table = _lattice(6)
    data = table.data.copy()
    data.loc[[1, 2], ["a_angstrom", "a_low_angstrom", "a_high_angstrom"]] = np.nan
    figure = column_figures(_columns(0, 0), table.with_data(data))[0]
    assert figure.data[-1]["x"] == [0, 3, 4, 5]
    assert figure.title.startswith("Lattice constant a by frame: mean 3.908")
    assert "Å" in figure.title
    assert column_figures(_columns(0, 0), table.with_data(data.assign(a_angstrom=np.nan))) == ()
