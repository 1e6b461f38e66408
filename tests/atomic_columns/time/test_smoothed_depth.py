"""What following columns through time is for: exact depths, honest intervals, steady and changing columns."""

from __future__ import annotations

import numpy as np
import pytest

from nanonet.atomic_columns.time.calibration import KnownMovie, fit_weight
from nanonet.atomic_columns.time.markov import smooth
from nanonet.atomic_columns.time.persistence import pool_looks
from nanonet.atomic_columns.time.rates import learn_dynamics

UNIFORM = np.full(11, 1 / 11)


def followed(shown, *, evidence=1.0, looks=np.inf):
    tempered = shown.likelihood**evidence
    apparent = smooth(tempered, learn_dynamics(tempered)).posterior
    inside = np.ones(shown.depth.shape, dtype=bool)
    return pool_looks(shown.likelihood, apparent, prior=UNIFORM, inside=inside, looks=looks)


def exact(chance, depth, where):
    return np.mean((chance.argmax(2) == depth)[where])


@pytest.mark.parametrize(
    ("noise", "steady", "changing"), [(0.4, 0.99, 0.92), (0.6, 0.99, 0.82), (0.9, 0.98, 0.7)]
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
    found = pool_looks(
        shown.chance + np.float32(1e-30),
        shown.chance,
        prior=UNIFORM,
        inside=np.ones(shown.depth.shape, dtype=bool),
        looks=1.0,
    )
    np.testing.assert_allclose(found, shown.chance, atol=1e-5)


def test_a_prior_that_was_divided_by_counts_once(make):
    shown = make.movie(30, noise=0.6, still=True)
    prior = np.linspace(1, 3, 11) / np.linspace(1, 3, 11).sum()
    inside = np.ones(shown.depth.shape, dtype=bool)
    apparent = np.eye(11, dtype=np.float32)[shown.depth]
    plain = pool_looks(shown.likelihood, apparent, prior=UNIFORM, inside=inside, looks=1.0)
    divided = pool_looks(shown.likelihood / prior, apparent, prior=prior, inside=inside, looks=1.0)
    np.testing.assert_allclose(divided, plain, atol=1e-5)


def test_frames_that_do_not_show_a_site_are_no_looks(make):
    shown = make.movie(40, noise=0.6, lasting=0.5, still=True)
    inside = np.ones(shown.depth.shape, dtype=bool)
    inside[20:] = False
    likelihood = np.where(inside[..., None], shown.likelihood, np.float32(1.0))
    apparent = np.eye(11, dtype=np.float32)[shown.depth]
    half = pool_looks(likelihood[:20], apparent[:20], prior=UNIFORM, inside=inside[:20], looks=3.0)
    whole = pool_looks(likelihood, apparent, prior=UNIFORM, inside=inside, looks=3.0)
    np.testing.assert_allclose(whole[:20], half, atol=1e-5)


def test_weights_that_are_fitted_to_the_truth_tell_noise_from_lasting_errors(make):
    def fitted(lasting):
        shown = [make.movie(120, radius=16, noise=0.8, lasting=lasting, seed=s) for s in range(2)]
        return fit_weight([KnownMovie(likelihood=m.likelihood, depth=m.depth) for m in shown], tolerance=0.3)

    noise, lasting = fitted(0.0), fitted(0.4)
    assert noise.looks > 20
    assert 1.2 < lasting.looks < 6
    assert 0.5 < noise.evidence < 2
    assert noise.log_score > lasting.log_score
