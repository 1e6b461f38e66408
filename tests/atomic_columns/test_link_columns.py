from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nanonet.atomic_columns.link import link_columns
from nanonet.atomic_columns.table import column_columns, column_table
from nanonet.records import ColumnTable, InputError

SPACING = 2.7


def movie(frames, *, drift=0.05, jitter=0.15, missing=0.1, stray=0.5, seed=0, side=15, jump=None, px=False):
    """Return a linked movie's table and the true site of each row, -1 for stray peaks."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1).reshape(-1, 2) * SPACING
    inside = np.hypot(*(grid - grid.mean(0)).T) < SPACING * side / 2
    sites = grid[inside]
    shift, tables, truth = np.zeros(2), [], []
    for frame in range(frames):
        shift = shift + drift * rng.normal(size=2) + drift * np.array([0.5, -0.2])
        if jump and frame == jump[0]:
            shift = shift + jump[1]
        here = rng.random(len(sites)) > missing
        strays = rng.uniform(sites.min(), sites.max(), (rng.poisson(stray), 2))
        places = np.concatenate([sites[here], strays])
        order = rng.permutation(len(places))
        places = places + shift + jitter * rng.normal(size=places.shape)
        tables.append(
            column_table(places[order] + 40, frame=frame, pixel_size=None if px else 1.0, values={}).data
        )
        truth.append(np.concatenate([np.flatnonzero(here), np.full(len(strays), -1)])[order])
    table = ColumnTable(data=pd.concat(tables), columns=column_columns("px" if px else "angstrom"))
    return table, np.concatenate(truth)


def stability(table, truth):
    """Return the share of the columns that carry the number that their site most often has."""
    real = truth >= 0
    counts = pd.crosstab(truth[real], table.data["track_id"].to_numpy(int)[real])
    one_site = counts.idxmax(axis=1)
    assert one_site.is_unique
    return counts.max(axis=1).sum() / real.sum()


@pytest.mark.parametrize("px", [False, True])
@pytest.mark.parametrize(
    "settings",
    [{}, {"drift": 0.6, "seed": 1}, {"missing": 0.4, "seed": 2}, {"jitter": 0.22, "seed": 3}, {"stray": 4.0}],
)
def test_sites_keep_their_number(settings, px):
    table, truth = movie(150, px=px, **settings)
    linked = link_columns(table)
    assert stability(linked, truth) >= 0.99
    assert linked.columns == table.columns
    pd.testing.assert_frame_equal(
        linked.data.drop(columns="track_id"), table.data.drop(columns="track_id"), check_dtype=True
    )


def test_a_sudden_jump_is_followed_by_the_outline():
    table, truth = movie(40, drift=0.02, jitter=0.1, missing=0.05, jump=(20, np.array([7.3, -4.1])))
    assert stability(link_columns(table), truth) >= 0.99


def test_a_column_that_vanishes_and_returns_keeps_its_number_unless_given_up():
    table, truth = movie(60, drift=0.05, jitter=0.05, missing=0.0, stray=0.0)
    frame = table.data.frame.to_numpy(int)
    gone = (truth == 17) & (frame >= 20) & (frame < 45)
    table = table.with_data(table.data[~gone])
    back = truth[~gone] == 17
    kept = link_columns(table).data.track_id[back]
    assert kept.nunique() == 1
    renewed = link_columns(table, max_gap=10).data.track_id[back]
    assert renewed.nunique() == 2


def test_order_of_the_rows_does_not_matter():
    table, truth = movie(30, seed=5)
    shuffle = np.random.default_rng(0).permutation(len(table))
    linked = link_columns(table.with_data(table.data.iloc[shuffle]))
    assert stability(linked, truth[shuffle]) >= 0.99


def test_a_number_is_used_once_a_frame():
    linked = link_columns(movie(60, stray=5.0, jitter=0.3, seed=6)[0]).data
    assert not linked.duplicated(["frame", "track_id"]).any()
    assert linked.track_id.min() == 1
    assert linked.track_id.notna().all()


def test_empty_frames_and_empty_tables():
    table, truth = movie(30, seed=7)
    frame = table.data.frame.to_numpy(int)
    some = (frame % 7 != 3) & (frame > 1)
    assert stability(link_columns(table.with_data(table.data[some])), truth[some]) >= 0.99
    assert len(link_columns(table.with_data(table.data[:0]))) == 0
    assert link_columns(table.with_data(table.data[:1])).data.track_id.tolist() == [1]


@pytest.mark.parametrize("knobs", [{"max_distance": 0.0}, {"max_distance": -1.0}, {"max_gap": -1}])
def test_bad_knobs(knobs):
    with pytest.raises(InputError, match="must"):
        link_columns(movie(2)[0], **knobs)


def test_a_thousand_frames_of_two_hundred_columns():
    table, truth = movie(1000, drift=0.1, missing=0.1, side=16, seed=8)
    assert len(table) > 1000 * 160
    assert stability(link_columns(table), truth) >= 0.99
