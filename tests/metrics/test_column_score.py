import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanonet.metrics.columns import match_columns, score_columns
from nanonet.records import InputError

LATTICE = np.stack(np.meshgrid(np.arange(6) * 3.8, np.arange(5) * 2.7, indexing="ij"), -1).reshape(-1, 2)
DEPTHS = np.arange(30) % 7 + 1


def test_perfect_columns_in_any_order():
    order = np.random.default_rng(0).permutation(30)
    score = score_columns(LATTICE[order], DEPTHS[order], LATTICE, DEPTHS)
    assert (score.recall, score.precision, score.exact, score.within_one, score.bias) == (1, 1, 1, 1, 0)
    assert np.array_equal(match_columns(LATTICE[order], LATTICE)[:, 1], order)


def test_a_missed_column_is_wrong_and_a_false_one_costs_precision():
    found = np.vstack([LATTICE[:24], [[100.0, 100.0]]])
    depth = np.append(DEPTHS[:24], 3)
    depth[:4] += 1
    depth[4:6] += 3
    score = score_columns(found, depth, LATTICE, DEPTHS)
    assert score.recall == 24 / 30
    assert score.precision == 24 / 25
    assert score.exact == 18 / 30
    assert score.within_one == 22 / 30
    assert score.exact_matched == 18 / 24
    assert score.within_one_matched == 22 / 24
    assert score.bias == pytest.approx((4 * 1 + 2 * 3) / 24)


def test_one_found_column_is_one_true_column():
    true = np.array([[0.0, 0.0], [0.0, 0.4]])
    assert len(match_columns(np.array([[0.0, 0.2]]), true)) == 1
    assert len(match_columns(true, np.array([[0.0, 0.2]]))) == 1


def test_as_many_pairs_as_can_be_before_near_ones():
    """The nearest pair (0.1 apart) would leave a column of each side alone."""
    found, true = np.array([[0.0, 0.0], [0.0, 0.5]]), np.array([[0.0, 0.4], [0.0, 0.9]])
    assert match_columns(found, true).tolist() == [[0, 0], [1, 1]]


def test_the_tolerance_is_a_limit():
    assert len(match_columns(np.array([[0.0, 0.5]]), np.zeros((1, 2)), tolerance=0.5)) == 1
    assert len(match_columns(np.array([[0.0, 0.51]]), np.zeros((1, 2)), tolerance=0.5)) == 0


def brute_force(found, true, tolerance):
    """Try all one-to-one assignments: most pairs first, then the least sum of distances."""
    best = (0, 0.0)
    n, m = len(found), len(true)
    for size in range(min(n, m), 0, -1):
        for rows in itertools.combinations(range(n), size):
            for columns in itertools.permutations(range(m), size):
                distance = np.linalg.norm(found[list(rows)] - true[list(columns)], axis=1)
                if (distance <= tolerance).all() and (best[0] < size or distance.sum() < best[1]):
                    best = (size, distance.sum())
        if best[0]:
            break
    return best


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 10_000))
def test_matching_is_the_best_there_is(n, m, seed):
    rng = np.random.default_rng(seed)
    found, true = rng.uniform(0, 1.5, (n, 2)), rng.uniform(0, 1.5, (m, 2))
    pairs = match_columns(found, true, 0.5)
    distance = np.linalg.norm(found[pairs[:, 0]] - true[pairs[:, 1]], axis=1)
    size, total = brute_force(found, true, 0.5)
    assert len(pairs) == size
    assert distance.sum() == pytest.approx(total)
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)


def test_undefined_shares_are_none():
    nothing, none = np.empty((0, 2)), np.empty(0, int)
    score = score_columns(nothing, none, nothing, none)
    assert (score.recall, score.precision, score.exact, score.bias) == (None, None, None, None)
    assert score_columns(nothing, none, LATTICE, DEPTHS).recall == 0
    assert score_columns(LATTICE, DEPTHS, nothing, none).precision == 0


def test_scores_of_frames_add_up():
    half = score_columns(LATTICE[:15], DEPTHS[:15], LATTICE, DEPTHS)
    whole = half + score_columns(LATTICE, DEPTHS + 1, LATTICE, DEPTHS)
    assert (whole.n_true, whole.n_found, whole.n_matched) == (60, 45, 45)
    assert whole.exact == 15 / 60
    assert whole.bias == pytest.approx(30 / 45)


def test_fractional_depths_are_rounded():
    assert score_columns(LATTICE, DEPTHS + 0.4, LATTICE, DEPTHS).exact == 1


def test_thousands_of_columns_are_quick():
    rng = np.random.default_rng(0)
    true = rng.uniform(0, 400, (10_000, 2))
    found = true + rng.normal(0, 0.1, true.shape)
    assert len(match_columns(found, true)) > 9_900


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="tolerance must be positive, got 0 Å"):
        match_columns(LATTICE, LATTICE, tolerance=0)
    with pytest.raises(InputError, match="each found column needs a depth: 30 columns, 2 depths"):
        score_columns(LATTICE, DEPTHS[:2], LATTICE, DEPTHS)
