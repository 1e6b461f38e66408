from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from nanonet.atomic_columns.time.follow import follow, unfollowed
from nanonet.configuration import build
from nanonet.records import ColumnTable, InputError


@pytest.fixture(scope="module")
def shown(make):
    return make.movie(150, radius=18, noise=0.5, lasting=0.2, seed=11, rim=0.01)


@pytest.fixture(scope="module")
def tables(make, shown):
    return make.tables(shown, strays=1.0)[:2]


@pytest.fixture(scope="module")
def found(tables):
    return {table.stem: table for table in follow(*tables, false_alarms=0.5)}


def wide(table, column):
    return table.data.pivot(index="frame", columns="track_id", values=column).to_numpy()


def test_there_is_a_row_for_each_site_and_frame(found, shown):
    assert list(found) == ["sites", "events", "layers", "migration"]
    sites = found["sites"].data
    assert len(sites) == shown.depth.size
    assert not sites.duplicated(["frame", "track_id"]).any()
    assert (sites.depth_low <= sites.depth).all()
    assert (sites.depth <= sites.depth_high).all()
    assert sites.occupancy.between(0, 1).all()


def test_depths_are_better_than_frame_by_frame_and_their_intervals_hold(found, shown):
    depth = wide(found["sites"], "depth").astype(int)
    low, high = (wide(found["sites"], name).astype(int) for name in ("depth_low", "depth_high"))
    assert np.mean(depth == shown.depth) > np.mean(shown.chance.argmax(2) == shown.depth) + 0.1
    assert np.mean((low <= shown.depth) & (shown.depth <= high)) > 0.88


def test_positions_are_those_of_the_frames(found, tables):
    columns = tables[0].data.dropna(subset="track_id")
    joined = columns.merge(found["sites"].data, on=["frame", "track_id"], suffixes=("", "_site"))
    assert len(joined) > 0.9 * len(found["sites"])
    off = (
        joined[["y_angstrom", "x_angstrom"]].to_numpy()
        - joined[["y_angstrom_site", "x_angstrom_site"]].to_numpy()
    )
    assert np.sqrt(np.mean(off**2)) < 0.12


def test_events_are_true_and_in_order(found, shown):
    events = found["events"].data
    assert events.frame.is_monotonic_increasing
    assert (events.false_alarms <= 0.5).all()
    assert (events.frame_low <= events.frame).all()
    assert (events.frame <= events.frame_high).all()
    true = []
    for event in events.itertuples():
        window = slice(max(event.frame_low - 4, 0), event.frame_high + 4)
        steps = np.diff(shown.depth[window, event.track_id - 1])
        true.append(np.any(np.sign(steps) == np.sign(event.depth_after - event.depth_before)))
    assert np.mean(true) > 0.95
    assert len(events) > 0.7 * np.sum(np.diff(shown.depth, axis=0) != 0)


def test_layers_tell_the_restless_rim_from_the_inside(found, shown):
    layers = found["layers"].data.set_index("layer")
    assert layers.n_sites.sum() == len(shown.sites)
    assert layers.gains[1] > 3 * layers.gains[4]
    assert (layers.gains_low <= layers.gains).all()
    assert (layers.gains <= layers.gains_high).all()
    assert np.corrcoef(layers.distance_angstrom, layers.depth)[0, 1] > 0.9


def test_migration_has_a_row_a_site(found, shown):
    migration = found["migration"].data
    assert len(migration) == len(shown.sites)
    step = np.diff(shown.depth, axis=0)
    assert migration.gains.sum() == pytest.approx(np.sum(step > 0), rel=0.35)


def test_the_result_is_always_the_same(found, tables):
    for table in follow(*tables, false_alarms=0.5):
        pd.testing.assert_frame_equal(table.data, found[table.stem].data)


def test_order_of_the_rows_does_not_matter(found, tables):
    rng = np.random.default_rng(0)
    columns, candidates = (t.with_data(t.data.iloc[rng.permutation(len(t))]) for t in tables)
    again = follow(columns, candidates, false_alarms=0.5)[0]
    np.testing.assert_allclose(wide(again, "depth_mean"), wide(found["sites"], "depth_mean"), atol=0.02)


def test_columns_at_the_border_of_the_frame_show_no_surface(tables):
    whole, cut = (follow(*tables, field=(height, 80.0))[2].data.set_index("layer") for height in (80.0, 57.5))
    assert cut.n_sites.sum() == whole.n_sites.sum()
    assert cut.n_sites[1] < whole.n_sites[1]


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_short_movies(make, frames):
    shown = make.movie(frames, radius=10, noise=0.4)
    sites, events, *_ = follow(*make.tables(shown)[:2])
    assert len(sites) == shown.depth.size
    assert len(events) <= 3


@pytest.mark.parametrize(
    "knobs", [{"evidence": 0.0}, {"looks": 0.5}, {"false_alarms": -1.0}, {"false_alarms": 0.0}]
)
def test_bad_knobs(tables, knobs):
    with pytest.raises(InputError, match=f"follow.{next(iter(knobs))} must be"):
        follow(*tables, **knobs)


def test_unlinked_columns(tables):
    columns, candidates = tables
    empty = columns.data.assign(track_id=pd.array([pd.NA] * len(columns), dtype="Int64"))
    with pytest.raises(InputError, match="linked"):
        follow(ColumnTable(data=empty, columns=columns.columns), candidates)


@pytest.mark.parametrize(("name", "stage"), [("markov", follow), ("none", unfollowed)])
def test_the_configs_build_the_stages(root, name, stage, tables):
    import yaml

    built = build(yaml.safe_load((root / f"configs/infer/follow/{name}.yaml").read_text()))
    assert built.func is stage
    if name == "none":
        assert built(*tables, field=(80.0, 80.0)) == ()


def test_memory_goes_with_the_length_of_a_movie_and_stays_below_two_gibibytes_at_five_thousand_frames(make):
    used = []
    for frames in (100, 300):
        tables = make.tables(make.movie(frames, radius=28.0, noise=0.5, lasting=0.3), strays=0.2)[:2]
        tracemalloc.start()
        sites = follow(*tables)[0]
        used.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(sites) > frames * 220
    a_frame = (used[1] - used[0]) / 200
    assert used[1] + 4700 * a_frame < 2 * 2**30
