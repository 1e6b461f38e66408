import numpy as np
import pytest

from nanonet.instances import match_instances
from nanonet.metrics.mask_counts import mask_counts


def test_what_is_the_same_is_matched_whatever_its_number():
    true = np.kron([[1, 2], [3, 0]], np.ones((10, 10), int))
    found = np.array([0, 7, 5, 9])[true]
    match = match_instances(found, true)
    assert sorted(map(tuple, match.pairs.tolist())) == [(5, 2), (7, 1), (9, 3)]
    np.testing.assert_allclose(match.iou, 1)
    assert match.f1 == match.panoptic_quality == 1


def test_a_particle_that_was_cut_in_two_is_found_once_at_most():
    true = np.zeros((20, 20), int)
    true[5:15] = 1
    halves = true.copy()
    halves[5:10] = 2
    assert len(match_instances(halves, true).pairs) == 0  # each half has an IoU of just 0.5
    halves[5:10][true[5:10] > 0] = 1
    halves[5:8] = 2
    match = match_instances(halves, true)
    assert match.pairs.tolist() == [[1, 1]]
    assert match.iou == pytest.approx([0.7])
    assert match.f1 == pytest.approx(2 / 3)
    assert match.panoptic_quality == pytest.approx(0.7 * 2 / 3)


def test_joined_particles_are_missed():
    true = np.kron([[1, 2]], np.ones((10, 10), int))
    assert match_instances((true > 0).astype(int), true).f1 == 0


def test_below_one_half_pairs_are_those_of_the_largest_sum():
    true, found = np.zeros((1, 30), int), np.zeros((1, 30), int)
    true[0, :10], true[0, 10:20] = 1, 2
    found[0, 4:14], found[0, 14:24] = 5, 6
    match = match_instances(found, true, threshold=0.1)
    assert match.pairs.tolist() == [[5, 1], [6, 2]]


def test_nothing_found_where_nothing_is():
    empty = np.zeros((4, 4), int)
    assert match_instances(empty, empty).f1 == match_instances(empty, empty).panoptic_quality == 1
    assert match_instances(empty, empty + 1).f1 == 0
    assert mask_counts(empty > 0, empty > 0).iou == 1


def test_shares_of_pixels():
    true, found = np.zeros((10, 10), bool), np.zeros((10, 10), bool)
    true[:5], found[2:6] = True, True
    counts = mask_counts(found, true)
    assert counts.iou == pytest.approx(3 / 6)
    assert counts.background_iou == pytest.approx(4 / 7)
    assert counts.dice == pytest.approx(6 / 9)
    assert counts.accuracy == pytest.approx(0.7)
    twice = counts + counts
    assert twice.iou == counts.iou
    assert twice.both == 60
