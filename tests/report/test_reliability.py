"""The reliability diagram says what the calibration holds."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from nanonet.records.calibration import Calibration, Reliability
from nanonet.report.reliability import reliability_figures

GROUPS = (
    Reliability(
        dose=(20.0, 199.7), confidence=(0.15, 0.45, 0.95), right=(0.25, 0.45, 0.9), number=(10, 20, 10)
    ),
    Reliability(dose=(201.0, 20000.0), confidence=(0.35, 1.0), right=(0.3, 1.0), number=(1000, 3000)),
)
CALIBRATION = Calibration(
    dose=(100.0,),
    temperature=(1.0,),
    depth_offset=(0.0,) * 9,
    level=(0.9,),
    presence_slope=(1.0,),
    presence_offset=(0.0,),
    reliability=GROUPS,
)


def test_lines_and_numbers_of_each_range_of_doses():
    (figure,) = reliability_figures(CALIBRATION)
    go.Figure(data=list(figure.data), layout=dict(figure.layout))
    json.dumps([list(figure.data), dict(figure.layout)], allow_nan=False)
    lines = [trace for trace in figure.data if trace["type"] == "scatter" and "name" in trace]
    bars = [trace for trace in figure.data if trace["type"] == "bar"]
    assert [trace["name"] for trace in lines] == ["20 to 200", "200 to 20\u202f000"]
    for group, line, bar in zip(GROUPS, lines, bars, strict=True):
        assert tuple(line["x"]) == pytest.approx(group.confidence)
        assert tuple(line["y"]) == pytest.approx(group.right)
        assert sum(bar["y"]) == sum(group.number)
        assert line["line"]["color"] == bar["marker"]["color"]
    assert bars[0]["y"] == [0, 10, 0, 0, 20, 0, 0, 0, 0, 10]
    assert bars[1]["y"][9] == 3000
    off = (0.1 * 10 + 0.05 * 10 + 0.05 * 1000) / 4040
    assert f"{off:.3f}" in figure.title
    assert "4040 readings" in figure.caption


def test_error_bars_stay_between_no_and_all():
    (figure,) = reliability_figures(CALIBRATION)
    for line in (trace for trace in figure.data if "error_y" in trace):
        right, bars = np.array(line["y"]), line["error_y"]
        low, high = right - np.array(bars["arrayminus"]), right + np.array(bars["array"])
        assert (low >= -1e-6).all()
        assert (high <= 1 + 1e-6).all()
        assert (low <= right).all()
        assert (right <= high).all()
    few, many = (np.add(t["error_y"]["array"], t["error_y"]["arrayminus"])[0] for t in figure.data[1:3])
    assert few > 5 * many


def test_a_few_readings_make_no_point():
    few = replace(GROUPS[1], number=(9, 3000))
    (figure,) = reliability_figures(replace(CALIBRATION, reliability=(few,)))
    _, line, bar = figure.data
    assert line["x"] == [1.0]
    assert sum(bar["y"]) == 3009


def test_nothing_measured_is_no_figure():
    assert reliability_figures(replace(CALIBRATION, reliability=())) == ()
