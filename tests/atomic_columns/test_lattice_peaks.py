"""Maxima on a drawn lattice: which are dropped as light, which are found as the lattice goes on there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nanonet.atomic_columns.classical import find_columns
from nanonet.atomic_columns.lattice_peaks import continued, without_light
from nanonet.atomic_columns.peaks import Peaks
from nanonet.metrics.columns import match_columns

PERIODS = np.array([[10.0, 0.0], [-2.0, 12.0]])
NODES = np.stack(np.meshgrid(np.arange(6), np.arange(6), indexing="ij"), -1).reshape(-1, 2) @ PERIODS + 12.0


SHAPE = (80, 80)


def peaks_at(positions, height=8.0, density=1e-9) -> Peaks:
    n = len(positions)
    density = np.broadcast_to(np.asarray(density, float), n).copy()
    height = np.broadcast_to(np.asarray(height, float), n).copy()
    return Peaks(positions=positions, height=height, density=density, confidence=np.exp(-1e4 * density))


def both(first: Peaks, second: Peaks) -> Peaks:
    return Peaks(
        **{name: np.concatenate([values, getattr(second, name)]) for name, values in vars(first).items()}
    )


def test_light_columns_and_lone_rings_go_and_heavy_ones_stay():
    light = peaks_at(NODES + np.array([3.0, 2.0]), height=3.0)
    ring = peaks_at(np.array([[-40.0, -40.0]]), height=9.0)
    heavy = peaks_at(NODES, height=np.linspace(4, 20, len(NODES)))
    kept = without_light(both(both(light, heavy), ring), PERIODS, 1.0)
    np.testing.assert_array_equal(kept.positions[np.lexsort(kept.positions.T)], NODES[np.lexsort(NODES.T)])


def test_two_columns_of_a_cell_that_are_alike_both_stay():
    """A dumbbell, as in silicon [110]: no column is lighter than the other by much."""
    other = peaks_at(NODES + np.array([3.0, 2.0]), height=7.0)
    kept = without_light(both(peaks_at(NODES), other), PERIODS, 0.6)
    assert len(kept) == 2 * len(NODES)
    assert len(without_light(both(peaks_at(NODES), other), PERIODS, 1.0)) == len(NODES)


def test_a_dropped_maximum_drops_no_other():
    """Of three in a row the middle one is low beside the first; the third is far enough from the first."""
    row = peaks_at(np.array([[0.0, 0.0], [6.0, 0.0], [10.0, 0.0]]), height=np.array([10.0, 5.0, 2.0]))
    kept = without_light(row, PERIODS, 0.8)
    np.testing.assert_array_equal(kept.positions, [[0.0, 0.0], [10.0, 0.0]])


def test_the_lattice_goes_on_from_column_to_column():
    sure, low = NODES[:3], NODES[3:]
    maxima = both(peaks_at(sure), peaks_at(low + 0.5, density=1e-4))
    found = continued(peaks_at(sure), maxima, PERIODS, SHAPE, 0.95)
    assert len(found) == len(NODES)
    assert found.confidence[3:].min() > 0.95


def test_noise_between_the_places_is_left_out():
    stray = peaks_at(NODES + np.array([5.0, 5.0]), density=1e-4)
    found = continued(peaks_at(NODES[:4]), both(peaks_at(NODES[:4]), stray), PERIODS, SHAPE, 0.95)
    assert len(found) == 4


def test_noise_around_a_whole_crystal_is_left_out_where_it_would_be_taken_inside_one():
    """Each place alone would be believed at 95 %; of forty places two would then be noise."""
    inner = np.all((NODES > 15) & (NODES < 66), axis=1)
    rim = peaks_at(NODES[~inner][:1], density=2e-3)
    whole = peaks_at(NODES[inner])
    assert 1 - np.exp(-np.pi * 2.2**2 * 2e-3) < 0.05
    assert len(continued(whole, both(whole, rim), PERIODS, SHAPE, 0.95)) == len(whole)
    many = peaks_at(NODES[~inner], density=2e-3)
    assert len(continued(whole, both(whole, many), PERIODS, SHAPE, 0.95)) > 0.9 * len(NODES)


def test_frequent_maxima_are_no_columns_even_at_their_places():
    low = peaks_at(NODES, density=5e-2)
    assert len(continued(peaks_at(NODES[:4]), low, PERIODS, SHAPE, 0.95)) == 4


@pytest.fixture
def oxide(points_of, draw, shoot):
    """Heavy columns with light ones a third as high beside each."""

    def make(height):
        shape = (200, 200)
        heavy, _ = points_of([[14.0, 3.0], [-4.0, 16.0]], shape=shape, margin=20)
        light = heavy + np.array([6.5, 4.0])
        mean = draw(heavy, height, 2.2, shape) + draw(light, height / 3, 2.2, shape) + 60
        return replace(shoot(mean), modality="HRTEM"), heavy

    return make


@pytest.mark.parametrize(("height", "recall"), [(60, 0.98), (14, 0.9)])
def test_only_heavy_columns_are_found_in_hrtem(oxide, height, recall):
    micrograph, heavy = oxide(height)
    data = find_columns(micrograph).tables[0].data
    found = data[["y_angstrom", "x_angstrom"]].to_numpy() / micrograph.pixel_size
    pairs = match_columns(found, heavy, 3.0)
    assert len(pairs) >= recall * len(heavy)
    assert len(pairs) >= 0.97 * len(found)


def test_all_columns_are_found_where_asked_for(oxide):
    micrograph, heavy = oxide(400)
    assert len(find_columns(micrograph, width=0.44, least_height=0.0).tables[0]) > 1.8 * len(heavy)
    assert len(find_columns(micrograph, width=0.44).tables[0]) < 1.05 * len(heavy)
    assert len(find_columns(replace(micrograph, modality="HAADF"), width=0.44).tables[0]) > 1.8 * len(heavy)
