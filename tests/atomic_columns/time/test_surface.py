from __future__ import annotations

import numpy as np
import pytest

from nanonet.atomic_columns.time.layers import MEASURED, layer_table, mean_interval
from nanonet.atomic_columns.time.surface import Surface, find_surface

SPACING = 2.7


def hexagon(layers):
    """Return the sites of a hexagonal patch and the true layer of each, 1 at the rim."""
    n = np.arange(-layers, layers + 1)
    a, b = (grid.ravel() for grid in np.meshgrid(n, n, indexing="ij"))
    ring = np.max(np.abs([a, b, a + b]), axis=0)
    keep = ring < layers
    sites = np.stack([a + b / 2, np.sqrt(3) / 2 * b], axis=1)[keep] * SPACING
    return sites, layers - ring[keep]


def square(side):
    n = np.arange(side)
    sites = np.stack(np.meshgrid(n, n, indexing="ij"), -1).reshape(-1, 2)
    layer = np.minimum(sites, side - 1 - sites).min(1) + 1
    return sites * SPACING, layer


def seen(sites, filled=None, **more):
    return find_surface(sites, np.ones(len(sites)) if filled is None else filled, spacing=SPACING, **more)


@pytest.mark.parametrize("shape", [hexagon(6), square(9)])
@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_layers_are_counted_from_the_rim(shape, turn):
    sites, layer = shape
    jitter = 0.08 * np.random.default_rng(0).normal(size=sites.shape)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    found = seen(sites @ rotation + jitter)
    # In a square a corner of the second layer is as near to the rim along a diagonal as along an edge.
    np.testing.assert_array_equal(found.layer, layer)
    assert np.abs(found.distance[layer == 1]).max() < 0.3


def test_distances_of_a_hexagon():
    sites, layer = hexagon(7)
    np.testing.assert_allclose(seen(sites).distance, (layer - 1) * SPACING * np.sqrt(3) / 2, atol=1e-6)


def test_a_vacancy_inside_is_no_surface_but_one_at_the_rim_is():
    sites, layer = hexagon(6)
    centre = np.hypot(*sites.T).argmin()
    filled = np.ones(len(sites))
    filled[centre] = 0.2
    found = seen(sites, filled)
    others = np.arange(len(sites)) != centre
    np.testing.assert_array_equal(found.layer[others], layer[others])
    assert found.layer[centre] == 0
    assert found.distance[centre] < 0
    rim = np.flatnonzero(layer == 1)[3]
    filled = np.ones(len(sites))
    filled[rim] = 0.2
    below = (np.hypot(*(sites - sites[rim]).T) < 1.2 * SPACING) & (layer == 2)
    assert (seen(sites, filled).layer[below] == 1).all()


def test_a_column_on_a_facet_and_columns_apart_are_surface():
    sites, _ = hexagon(5)
    out = sites[sites[:, 0].argmax()] + np.array([SPACING, 0.0])
    far = np.array([60.0, 60.0])
    found = seen(np.concatenate([sites, [out, far]]))
    assert found.layer[-2:].tolist() == [1, 1]
    np.testing.assert_allclose(found.distance[-2:], 0.0)


def test_sites_outside_have_negative_distances():
    sites, layer = hexagon(6)
    found = seen(sites, (layer > 1).astype(float))
    assert (found.layer[layer == 1] == 0).all()
    np.testing.assert_array_equal(found.layer[layer > 1], layer[layer > 1] - 1)
    assert (found.distance[layer == 1] < -0.5 * SPACING).all()


def test_where_the_frame_cuts_the_particle_there_is_no_surface():
    sites, _ = square(9)
    found = seen(sites, cut=sites[:, 0] < 0.5 * SPACING)
    row, column = np.rint(sites / SPACING).astype(int).T
    np.testing.assert_array_equal(found.layer, np.minimum.reduce([8 - row, column, 8 - column]) + 1)
    everywhere = seen(sites, cut=np.ones(len(sites), dtype=bool))
    assert (everywhere.layer == 0).all()
    assert np.isnan(everywhere.distance).all()


def test_neighbours_are_the_nearest_sites():
    sites, _ = square(4)
    assert len(seen(sites).neighbours) == 24
    hexagonal = seen(hexagon(3)[0]).neighbours
    assert len(hexagonal) == 42
    assert len(np.unique(np.sort(hexagonal, axis=1), axis=0)) == 42


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_sites(n):
    sites = np.array([[0.0, 0.0], [0.0, SPACING], [0.0, 2 * SPACING]])[:n]
    assert seen(sites).layer.tolist() == [1] * n


@pytest.mark.parametrize("n", [5, 12, 60])
def test_intervals_of_means_hold_the_truth_in_nine_of_ten_cases(n):
    rng = np.random.default_rng(1)
    held = []
    for _ in range(300):
        low, high = mean_interval(rng.beta(4, 2, size=(n, 1)), rng)
        held.append(low[0] <= 4 / 6 <= high[0])
    assert 0.85 < np.mean(held) < 0.95


def test_the_table_has_a_row_a_layer():
    layer = np.array([0, 1, 1, 1, 2, 2])
    surface = Surface(layer=layer, distance=layer - 1.0, neighbours=np.empty((0, 2), dtype=int))
    values = np.tile(layer[:, None] * 0.1, (1, len(MEASURED)))
    table = layer_table(surface, values, np.random.default_rng(0), unit="px")
    assert table.data.layer.tolist() == [0, 1, 2]
    assert table.data.n_sites.tolist() == [1, 3, 2]
    np.testing.assert_allclose(table.data.occupancy, [0.0, 0.1, 0.2])
    np.testing.assert_allclose(table.data.distance_px, [-1, 0, 1])
    assert table.data.occupancy_low.isna().tolist() == [True, False, False]
    nowhere = Surface(layer=layer * 0, distance=layer * np.nan, neighbours=surface.neighbours)
    assert len(layer_table(nowhere, values, np.random.default_rng(0), unit="px")) == 0
