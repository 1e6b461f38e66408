"""What following columns through time is for: exact depths, honest intervals, steady and changing columns."""

from __future__ import annotations

import numpy as np
import pytest

from nanonet.atomic_columns.time.calibration import KnownMovie, fit_weight
from nanonet.atomic_columns.time.events import Events, find_events
from nanonet.atomic_columns.time.markov import posterior
from nanonet.atomic_columns.time.persistence import POSSIBLE, pool_between
from nanonet.atomic_columns.time.rates import learn_dynamics
from nanonet.atomic_columns.time.steps import mean_reading, settled

UNIFORM = np.full(11, 1 / 11)


def followed(shown, *, evidence=0.5, looks=np.inf):
    tempered = shown.likelihood**evidence
    apparent = posterior(tempered, learn_dynamics(tempered))
    changes = settled(find_events(apparent, least=POSSIBLE), mean_reading(shown.likelihood, UNIFORM))
    inside = np.ones(shown.depth.shape, dtype=bool)
    return pool_between(changes, shown.likelihood, prior=UNIFORM, inside=inside, looks=looks)


def no_changes(sites):
    return find_events(np.full((1, sites, 2), 0.5, dtype=np.float32))


def exact(chance, depth, where):
    return np.mean((chance.argmax(2) == depth)[where])


@pytest.mark.parametrize(
    ("noise", "steady", "changing"), [(0.4, 0.99, 0.9), (0.6, 0.99, 0.78), (0.9, 0.98, 0.63)]
)
def test_steady_and_changing_columns_are_read_better_than_frame_by_frame(make, noise, steady, changing):
    shown = make.movie(400, noise=noise, seed=1)
    near = make.near_changes(shown.depth)
    found = followed(shown)
    assert exact(found, shown.depth, ~near) > steady > exact(shown.chance, shown.depth, ~near) + 0.1
    assert exact(found, shown.depth, near) > max(changing, exact(shown.chance, shown.depth, near) + 0.1)


@pytest.mark.parametrize("lasting", [0.0, 0.3, 0.8])
def test_intervals_hold_the_truth_whether_or_not_errors_last(make, covered, lasting):
    shown = make.movie(300, noise=0.9, lasting=lasting, seed=2)
    near = make.near_changes(shown.depth)
    looks = 1 / lasting if lasting else np.inf
    inside = covered(followed(shown, looks=looks), shown.depth)
    assert inside[~near].mean() > 0.9
    assert inside[near].mean() > (0.85 if lasting else 0.8)


def test_lasting_errors_taken_for_noise_make_intervals_that_fail(make, covered):
    shown = make.movie(300, noise=0.9, lasting=0.3, seed=2)
    assert covered(followed(shown, looks=np.inf), shown.depth).mean() < 0.8


def test_one_look_at_one_frame_is_what_the_network_said(make):
    shown = make.movie(1, noise=0.6)
    inside = np.ones(shown.depth.shape, dtype=bool)
    told = shown.chance + np.float32(1e-30)
    found = pool_between(no_changes(len(shown.sites)), told, prior=UNIFORM, inside=inside, looks=1.0)
    np.testing.assert_allclose(found, shown.chance, atol=1e-5)


def test_one_look_at_many_frames_is_their_geometric_mean(make):
    shown = make.movie(20, noise=0.6, still=True)
    inside = np.ones(shown.depth.shape, dtype=bool)
    nothing = no_changes(len(shown.sites))
    found = pool_between(nothing, shown.likelihood, prior=UNIFORM, inside=inside, looks=1.0)
    mean = np.exp(np.log(shown.likelihood.astype(float)).mean(0))
    np.testing.assert_allclose(found[7], mean / mean.sum(1, keepdims=True), rtol=1e-3)
    infinite = pool_between(nothing, shown.likelihood, prior=UNIFORM, inside=inside, looks=np.inf)
    product = mean**20
    np.testing.assert_allclose(infinite[7], product / product.sum(1, keepdims=True), rtol=1e-3, atol=1e-6)


def test_a_prior_that_was_divided_by_counts_once(make):
    shown = make.movie(30, noise=0.6, still=True)
    prior = np.linspace(1, 3, 11) / np.linspace(1, 3, 11).sum()
    inside = np.ones(shown.depth.shape, dtype=bool)
    nothing = no_changes(len(shown.sites))
    plain = pool_between(nothing, shown.likelihood, prior=UNIFORM, inside=inside, looks=1.0)
    divided = pool_between(nothing, shown.likelihood / prior, prior=prior, inside=inside, looks=1.0)
    np.testing.assert_allclose(divided, plain, atol=1e-5)


def test_frames_that_do_not_show_a_site_are_no_looks(make):
    shown = make.movie(40, noise=0.6, lasting=0.5, still=True)
    nothing = no_changes(len(shown.sites))
    inside = np.ones(shown.depth.shape, dtype=bool)
    inside[20:] = False
    likelihood = np.where(inside[..., None], shown.likelihood, np.float32(1.0))
    half = pool_between(nothing, likelihood[:20], prior=UNIFORM, inside=inside[:20], looks=3.0)
    whole = pool_between(nothing, likelihood, prior=UNIFORM, inside=inside, looks=3.0)
    np.testing.assert_allclose(whole[:20], half, atol=1e-5)
    never = pool_between(nothing, likelihood * 0 + 1, prior=UNIFORM, inside=inside & False, looks=3.0)
    np.testing.assert_allclose(never, 1 / 11, rtol=1e-5)


def test_times_are_parted_at_the_changes_and_mixed_where_these_are_not_sure():
    def changes(low, frame, high):
        sites = np.array([1, 1])
        return Events(
            site=sites,
            frame=np.array([frame, 30]),
            frame_low=np.array([low, 30]),
            frame_high=np.array([high, 30]),
            before=np.array([1, 2]),
            after=np.array([2, 0]),
            doubt=np.array([0.1, 0.1]),
        )

    likelihood = np.full((40, 3, 3), 1e-3)
    likelihood[:, 0, 2] = likelihood[:, 2, 1] = 1.0
    likelihood[:10, 1, 1] = likelihood[10:30, 1, 2] = likelihood[30:, 1, 0] = 1.0
    inside = np.ones((40, 3), dtype=bool)
    prior = np.full(3, 1 / 3)
    sharp = pool_between(changes(10, 10, 10), likelihood, prior=prior, inside=inside, looks=1.0)
    np.testing.assert_array_equal(sharp.argmax(2), likelihood.argmax(2))
    assert sharp.max(2).min() > 0.99
    vague = pool_between(changes(8, 10, 11), likelihood, prior=prior, inside=inside, looks=1.0)
    assert (np.diff(vague[6:13, 1, 2]) >= 0).all()
    np.testing.assert_allclose(vague[8:12, 1, 2], [0.2, 0.4, 2 / 3, 1.0], atol=0.01)
    np.testing.assert_array_equal(vague[:, [0, 2]], sharp[:, [0, 2]])


def test_weights_that_are_fitted_to_the_truth_tell_noise_from_lasting_errors(make):
    def fitted(lasting):
        shown = [make.movie(120, radius=16, noise=0.8, lasting=lasting, seed=s) for s in range(2)]
        return fit_weight([KnownMovie(likelihood=m.likelihood, depth=m.depth) for m in shown], tolerance=0.3)

    noise, lasting = fitted(0.0), fitted(0.4)
    assert noise.looks > 8
    assert 1.2 < lasting.looks < 5
    assert 0.1 < noise.evidence < 3
    assert noise.log_score > lasting.log_score
