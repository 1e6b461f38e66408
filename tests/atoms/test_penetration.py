"""Depths of atoms, and how deep the surface reaches."""

import numpy as np
import pandas as pd
import pytest
from ase.cluster import Octahedron

from nanonet.atoms.coordination import coordination
from nanonet.atoms.penetration import (
    STATISTICS,
    depths,
    penetration,
    penetration_table,
    penetrations,
    running_means,
)


def test_depth_is_the_distance_to_the_surface_in_any_pose() -> None:
    positions = Octahedron("Pt", 10, 3, latticeconstant=3.92).get_positions()
    near = coordination(positions, cutoff=3.4, bulk=12)
    depth = depths(positions, near.number, np.full(len(positions), 12))
    assert (depth[near.number < 10] == 0).all()
    assert depth[near.number == 12].min() == pytest.approx(3.92 / np.sqrt(2))
    # A vacancy inside makes no surface: eleven neighbours are nearly all.
    middle = int(np.linalg.norm(positions - positions.mean(0), axis=1).argmin())
    rest = np.delete(positions, middle, axis=0)
    holed = depths(rest, coordination(rest, cutoff=3.4, bulk=12).number, np.full(len(rest), 12))
    assert holed == pytest.approx(np.delete(depth, middle))


def test_a_bend_is_found_with_an_interval_that_holds_it() -> None:
    rng = np.random.default_rng(0)
    depth = rng.uniform(0, 12, 500)
    true = 0.16 + 0.2 * np.maximum(1 - depth / 4.0, 0)
    hits = []
    for _ in range(20):
        found = penetration(depth, true + rng.normal(scale=0.05, size=500), rng)
        assert found is not None
        low, high = found.depth_interval
        hits.append([low <= 4.0 <= high, found.core_interval[0] <= 0.16 <= found.core_interval[1]])
        assert found.depth == pytest.approx(4.0, abs=1.2)
        assert found.surface == pytest.approx(0.36, abs=0.03)
    assert np.mean(hits, axis=0).min() >= 0.75


def test_without_a_trend_there_is_no_depth() -> None:
    rng = np.random.default_rng(1)
    found = penetration(rng.uniform(0, 12, 300), rng.normal(1.0, 0.1, 300), rng)
    assert found is not None
    assert np.isnan(found.depth)
    assert found.core == pytest.approx(1.0, abs=0.02)
    assert penetration(np.zeros(300), np.ones(300), rng) is None


def test_running_means_are_of_five_atoms() -> None:
    depth, values = np.arange(6.0)[::-1], np.array([np.nan, 5, 4, 3, 2, 1.0])
    at, means = running_means(depth, values)
    assert at.tolist() == [2.0]
    assert means.tolist() == [3.0]


def test_the_table_says_unknown_where_it_is() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame(
        {name: rng.normal(size=100) for name in STATISTICS} | {"depth_angstrom": rng.uniform(0, 9, 100)}
    )
    data["degree_of_isotropy"] = np.nan
    table = penetration_table(penetrations(data, rng)).data
    assert set(table["statistic"]) == set(STATISTICS) - {"degree_of_isotropy"}
    flat = table[table["p_value"] > 0.05]
    assert flat["depth_angstrom"].isna().all()
    assert (flat["core_low"] < flat["core_high"]).all()


def test_a_statistic_that_all_atoms_share_reaches_nowhere() -> None:
    rng = np.random.default_rng(0)
    depth = rng.uniform(0, 10, 80)
    found = penetration(depth, 0.97 * (1 + 1e-15 * rng.normal(size=80)), rng)
    assert found is not None
    assert np.isnan(found.depth)
    assert found.core == pytest.approx(0.97)
    assert found.p_value == 1
