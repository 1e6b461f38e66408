"""The familiarity of frames is drawn as it is told, of long movies too."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from nanonet.atomic_columns.table import frame_columns, frame_table
from nanonet.records import FrameTable
from nanonet.report.familiarity_figures import familiarity_figures
from nanonet.report.time_axis import TimeAxis


def of_chances(*chances):
    parts = [frame_table(i, dose=400.0, chance=c, warnings=()).data for i, c in enumerate(chances)]
    return FrameTable(data=pd.concat(parts, ignore_index=True), columns=frame_columns())


def test_the_line_goes_through_the_chances_and_the_title_counts_the_rare_ones():
    (figure,) = familiarity_figures(of_chances(0.5, 0.004, None, 0.2), TimeAxis(frame_time=0.5))
    go.Figure(data=list(figure.data), layout=dict(figure.layout))
    json.dumps([list(figure.data), dict(figure.layout)], allow_nan=False)
    line = figure.data[2]
    assert line["x"] == [0.0, 0.5, 1.5]
    assert line["y"] == pytest.approx([0.5, 0.004, 0.2])
    assert "33 %" in figure.title
    assert "over time" in figure.title


def test_a_chance_of_nothing_is_drawn_at_the_foot_and_long_movies_stay_small():
    chances = np.where(np.arange(3000) % 2, 0.0, 1.0)
    (figure,) = familiarity_figures(of_chances(*chances), TimeAxis())
    assert len(figure.data[2]["y"]) <= 400
    assert min(figure.data[0]["y"]) == pytest.approx(1e-6)
    assert "neighbouring frames" in figure.caption


def test_nothing_is_drawn_where_nothing_is_known():
    assert familiarity_figures(of_chances(None, None, None), TimeAxis()) == ()
    assert familiarity_figures(of_chances(0.5), TimeAxis()) == ()
