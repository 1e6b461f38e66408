from __future__ import annotations

import numpy as np
import pytest

from nanonet.atomic_columns.time.groups import learn_groups, posterior_of, smooth_groups
from nanonet.atomic_columns.time.markov import Dynamics, count, smooth
from nanonet.atomic_columns.time.rates import RatePrior, learn_dynamics


def test_rates_are_those_of_the_movie(make):
    shown = make.movie(600, rim=0.02, inside=0.02, jump=0.002, noise=0.4, seed=1)
    step = np.diff(shown.depth, axis=0)
    learned = learn_dynamics(shown.likelihood)
    assert learned.gain == pytest.approx(np.mean(step == 1), rel=0.1)
    assert learned.loss == pytest.approx(np.mean(step == -1), rel=0.1)
    assert learned.jump == pytest.approx(np.mean(np.abs(step) > 1), rel=0.2)
    first = np.bincount(shown.depth[0], minlength=11) / shown.depth.shape[1]
    np.testing.assert_allclose(learned.initial, first, atol=0.05)


def test_each_round_makes_the_movie_more_likely(make):
    shown = make.movie(200, noise=0.6, seed=2)
    flat = RatePrior(steps=1e-9, jumps=1e-9, column_frames=1e-6, sites=1e-9)
    likelihoods = []
    for rounds in range(1, 8):
        learned = learn_dynamics(shown.likelihood, prior=flat, max_rounds=rounds, tolerance=0.0)
        likelihoods.append(count(shown.likelihood, learned).log_likelihood)
    assert np.all(np.diff(likelihoods) > -1e-3 * np.abs(likelihoods[0]) / shown.depth.size)
    assert likelihoods[-1] > likelihoods[0]


def test_a_short_movie_keeps_to_the_prior():
    learned = learn_dynamics(np.ones((3, 5, 11)))
    prior = RatePrior().dynamics(11)
    assert learned.gain == pytest.approx(prior.gain, rel=0.05)
    assert learned.jump == pytest.approx(prior.jump, rel=0.05)
    np.testing.assert_allclose(learned.initial, prior.initial, rtol=1e-6)


def test_rates_stay_probabilities_whatever_the_frames_say():
    noise = np.random.default_rng(0).gamma(0.05, size=(50, 20, 5)) + 1e-12
    learned = learn_dynamics(noise, prior=RatePrior(steps=1e-3, jumps=1e-4, column_frames=1.0))
    assert (learned.transitions >= 0).all()


def test_columns_that_can_only_be_there_or_not_never_jump():
    likelihood = np.full((30, 2, 2), 0.01)
    likelihood[:15, :, 1] = likelihood[15:, :, 0] = 1.0
    learned = learn_dynamics(likelihood)
    np.testing.assert_allclose(learned.transitions.sum(1), 1.0)
    assert smooth(likelihood, learned).changes[15, 0, 3] > 0.95


def test_groups_have_rates_of_their_own(make):
    shown = make.movie(400, rim=0.03, inside=0.001, noise=0.4, seed=3)
    r = np.hypot(*shown.sites.T)
    group = (r < r.max() - 5.5).astype(int)
    groups = learn_groups(shown.likelihood, group)
    rim, inside = groups.dynamics
    assert rim.gain > 5 * inside.gain
    found = smooth_groups(shown.likelihood, groups)
    for members, dynamics in groups:
        alone = smooth(shown.likelihood[:, members], dynamics)
        np.testing.assert_array_equal(found.posterior[:, members], alone.posterior)
        np.testing.assert_array_equal(found.changes[:, members], alone.changes)
    np.testing.assert_array_equal(posterior_of(shown.likelihood, groups), found.posterior)
    assert isinstance(rim, Dynamics)
