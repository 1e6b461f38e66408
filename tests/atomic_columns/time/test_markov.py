from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from nanonet.atomic_columns.time import markov
from nanonet.atomic_columns.time.markov import KINDS, Dynamics, count, most_probable_path, posterior, smooth

FRAMES, SITES, DEPTHS = 4, 3, 4


@pytest.fixture
def dynamics():
    return Dynamics(gain=0.11, loss=0.06, jump=0.03, initial=np.array([0.1, 0.2, 0.3, 0.4]))


@pytest.fixture
def likelihood():
    return np.random.default_rng(0).gamma(0.7, size=(FRAMES, SITES, DEPTHS)) + 1e-3


def every_path(likelihood, dynamics):
    """Return all sequences of depths and, for each, its joint probability with the frames of each site."""
    paths = np.array(list(product(range(DEPTHS), repeat=FRAMES)))
    step = dynamics.transitions
    weight = dynamics.initial[paths[:, 0]] * np.prod([step[a, b] for a, b in pairwise(paths.T)], axis=0)
    seen = np.prod([likelihood[t][:, paths[:, t]] for t in range(FRAMES)], axis=0)
    return paths, weight * seen


def test_rows_of_the_transitions_are_probabilities(dynamics):
    step = dynamics.transitions
    np.testing.assert_allclose(step.sum(1), 1.0)
    np.testing.assert_allclose([step[1, 2], step[1, 0], step[1, 3]], [0.11, 0.06, 0.03])
    np.testing.assert_allclose([step[0, 2], step[0, 3]], 0.015)
    assert (step > 0).all()


def test_smoothing_is_the_sum_over_all_histories(likelihood, dynamics):
    paths, joint = every_path(likelihood, dynamics)
    found = smooth(likelihood, dynamics)
    np.testing.assert_allclose(found.log_likelihood, np.log(joint.sum(1)), rtol=1e-10)
    weight = joint / joint.sum(1, keepdims=True)
    for frame, depth in product(range(FRAMES), range(DEPTHS)):
        expected = weight[:, paths[:, frame] == depth].sum(1)
        np.testing.assert_allclose(found.posterior[frame, :, depth], expected, rtol=1e-5)
    np.testing.assert_array_equal(posterior(likelihood, dynamics), found.posterior)
    for frame in range(1, FRAMES):
        before, after = paths[:, frame - 1], paths[:, frame]
        what = {
            "gained": (after > before) & (before > 0),
            "lost": (after < before) & (after > 0),
            "born": (before == 0) & (after > 0),
            "gone": (before > 0) & (after == 0),
        }
        for kind, which in what.items():
            expected = weight[:, which].sum(1)
            np.testing.assert_allclose(found.changes[frame, :, KINDS.index(kind)], expected, rtol=1e-5)
    assert (found.changes[0] == 0).all()


def test_the_most_probable_path_is_the_best_of_all_histories(likelihood, dynamics):
    paths, joint = every_path(likelihood, dynamics)
    np.testing.assert_array_equal(most_probable_path(likelihood, dynamics).T, paths[joint.argmax(1)])


def test_expected_steps_are_sums_over_all_histories(likelihood, dynamics):
    paths, joint = every_path(likelihood, dynamics)
    weight = (joint / joint.sum(1, keepdims=True)).sum(0)
    expected = np.zeros((DEPTHS, DEPTHS))
    for frame in range(1, FRAMES):
        np.add.at(expected, (paths[:, frame - 1], paths[:, frame]), weight)
    found = count(likelihood, dynamics)
    np.testing.assert_allclose(found.steps, expected, rtol=1e-10)
    np.testing.assert_allclose(found.first, np.bincount(paths[:, 0], weight), rtol=1e-10)


def test_how_many_sites_go_together_does_not_matter(likelihood, dynamics, monkeypatch):
    whole, steps = smooth(likelihood, dynamics), count(likelihood, dynamics).steps
    monkeypatch.setattr(markov, "_BYTES", 8 * FRAMES * DEPTHS)
    alone = smooth(likelihood, dynamics)
    np.testing.assert_array_equal(alone.posterior, whole.posterior)
    np.testing.assert_array_equal(alone.changes, whole.changes)
    np.testing.assert_allclose(count(likelihood, dynamics).steps, steps)


def test_long_movies_neither_underflow_nor_lose_a_rare_change(dynamics):
    likelihood = np.full((20000, 1, DEPTHS), 1e-6)
    likelihood[:11000, 0, 1] = 1.0
    likelihood[11000:, 0, 2] = 1.0
    found = smooth(likelihood, dynamics)
    assert np.isfinite(found.log_likelihood).all()
    np.testing.assert_allclose(found.posterior.sum(2), 1.0, rtol=1e-5)
    assert found.changes[11000, 0, KINDS.index("gained")] > 0.999
    assert found.changes.sum() == pytest.approx(1.0, abs=1e-3)


def test_frames_that_say_nothing_leave_the_posterior_to_their_neighbours(dynamics):
    likelihood = np.ones((9, 1, DEPTHS))
    likelihood[[0, 8], 0] = [1e-6, 1e-6, 1.0, 1e-6]
    found = smooth(likelihood, dynamics).posterior[:, 0, 2]
    assert found[4] == found.min() > 0.4
    np.testing.assert_allclose(found, found[::-1], atol=0.05)
