"""Posteriors with a known fault at each dose: the calibration must find it, and make them come true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nanonet.atomic_columns.calibrate import (
    calibrated,
    calibrated_presence,
    first_half,
    fit_calibration,
    interval_level,
)
from nanonet.atomic_columns.readout import narrowest_interval
from nanonet.metrics.calibration import calibration_error
from nanonet.records import InputError
from nanonet.records.calibration import Calibration, ReadColumns

LOWEST, HIGHEST = 20.0, 20000.0
DEEPEST = 9
GROUPS = np.geomspace(LOWEST, HIGHEST, 7)


def exact_reader(seed, particles=100, each=400):
    """Return columns read by Bayes's rule from a measured depth of known noise, less at higher doses."""
    rng = np.random.default_rng(seed)
    particle = np.repeat(np.arange(particles), each)
    dose = np.exp(rng.uniform(np.log(LOWEST), np.log(HIGHEST), len(particle) // 40)).repeat(40)
    depth = rng.integers(1, DEEPEST + 1, len(particle))
    noise = 2.5 * (dose / LOWEST) ** -0.27
    measured = depth + noise * rng.standard_normal(len(depth))
    miss = (measured[:, None] - np.arange(1, DEEPEST + 1)) / noise[:, None]
    return ReadColumns(
        posterior=normalised(np.exp(-0.5 * (miss**2 - (miss**2).min(1, keepdims=True)))),
        presence=np.full(len(depth), 0.99),
        depth=depth,
        dose=dose,
        particle=particle,
        evidence=np.zeros((len(depth), DEEPEST)),
    )


def normalised(values):
    return values / values.sum(1, keepdims=True)


FAULTS = {
    "too sure": lambda dose: np.full_like(dose, 2.5),
    "too unsure": lambda dose: np.full_like(dose, 0.4),
    "too sure at low doses, too unsure at high ones": lambda dose: 3.0 * (dose / LOWEST) ** (-1 / 3),
    "honest": np.ones_like,
}


def faulty(read, temperature):
    """Return the readings of which a temperature makes the honest ones."""
    return replace(read, posterior=normalised(read.posterior ** temperature(read.dose)[:, None]))


@pytest.fixture(scope="module")
def seen():
    return exact_reader(0)


@pytest.fixture(scope="module")
def unseen():
    return exact_reader(1, particles=160)


def group(dose):
    return np.clip(np.digitize(dose, GROUPS) - 1, 0, len(GROUPS) - 2)


def coverage(posterior, dose, depth, level):
    """Return the share of true depths inside the narrowest interval of each image's level."""
    inside = np.empty(len(depth), bool)
    for value in np.unique(dose):
        own = dose == value
        low, high = narrowest_interval(posterior[own], level(value))
        inside[own] = (low <= depth[own]) & (depth[own] <= high)
    return inside


@pytest.mark.parametrize("fault", FAULTS)
def test_probabilities_come_true_on_other_particles_at_every_dose(seen, unseen, fault):
    calibration = fit_calibration(faulty(seen, FAULTS[fault]))
    read = faulty(unseen, FAULTS[fault])
    posterior = calibrated(read.posterior, read.dose, calibration)
    right = posterior.argmax(1) + 1 == read.depth
    inside = coverage(posterior, read.dose, read.depth, lambda dose: interval_level(dose, calibration))
    groups = group(read.dose)
    before, after = [], []
    for own in (groups == i for i in range(len(GROUPS) - 1)):
        before.append(calibration_error(read.posterior[own].max(1), right[own]))
        after.append(calibration_error(posterior[own].max(1), right[own]))
        assert 0.87 <= inside[own].mean() <= 0.93
    assert max(after) < 0.03
    assert fault == "honest" or np.mean(before) > 3 * np.mean(after)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_temperature_at_each_dose_is_found(seen, fault):
    calibration = fit_calibration(faulty(seen, FAULTS[fault]))
    dose = np.array(calibration.dose)
    assert len(dose) == 7
    np.testing.assert_allclose(calibration.temperature, FAULTS[fault](dose), rtol=0.12)
    np.testing.assert_allclose(calibration.depth_offset, 0.0, atol=0.1)


def test_a_depth_that_is_named_too_often_is_found(seen, unseen):
    """As a network does that has seen other numbers of columns of each depth."""
    offset = np.array([0.0, 0.9, 0.5, 0.0, -0.8, 0.0, -0.4, 0.3, -0.5])
    weights = np.exp(-offset)

    def told(read):
        return replace(read, posterior=normalised(read.posterior * weights))

    calibration = fit_calibration(told(seen))
    np.testing.assert_allclose(calibration.depth_offset, offset - offset.mean(), atol=0.2)
    assert sum(calibration.depth_offset) == pytest.approx(0, abs=1e-9)
    read = told(unseen)
    posterior = calibrated(read.posterior, read.dose, calibration)
    for depth in range(1, DEEPEST + 1):
        share = np.mean(read.depth == depth)
        assert posterior[:, depth - 1].mean() == pytest.approx(share, abs=0.01)
    right = [np.mean(p.argmax(1) + 1 == read.depth) for p in (read.posterior, posterior)]
    assert right[1] > right[0] + 0.01


def test_temperature_and_offset_are_applied_as_they_say():
    calibration = constant(temperature=3.0)
    posterior = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])
    found = calibrated(posterior, 100.0, calibration)
    np.testing.assert_allclose(found.sum(1), 1.0)
    np.testing.assert_array_equal(found.argmax(1), posterior.argmax(1))
    np.testing.assert_allclose(found[1], normalised(posterior[1:] ** (1 / 3))[0])
    assert found[0, 2] < 0.002
    np.testing.assert_allclose(calibrated(posterior[1:], 100.0, constant()), posterior[1:])
    moved = replace(calibration, depth_offset=(1.0, 0.0, -1.0))
    expected = normalised(posterior[1:] ** (1 / 3) * np.exp([1.0, 0.0, -1.0]))
    np.testing.assert_allclose(calibrated(posterior[1:], 100.0, moved), expected)
    assert calibrated(posterior[:0], 100.0, calibration).shape == (0, 3)
    with pytest.raises(InputError, match="3 depths, not 2"):
        calibrated(posterior[:, :2], 100.0, calibration)


def test_few_columns_of_one_fault_still_cover():
    """As split conformal prediction promises: at least 90 % on average, however few columns there were."""
    shares = []
    unseen = exact_reader(7, particles=20, each=200)
    for seed in range(20):
        few = exact_reader(100 + seed, particles=4, each=40)
        calibration = fit_calibration(few, doses=1)
        posterior = calibrated(unseen.posterior, unseen.dose, calibration)
        level = interval_level(100.0, calibration)
        shares.append(coverage(posterior, np.ones(len(unseen)), unseen.depth, lambda _, at=level: at).mean())
    assert 0.89 <= np.mean(shares) <= 0.95


def test_intervals_of_posteriors_with_two_maxima_cover_too():
    rng = np.random.default_rng(3)
    n = 6000
    posterior = rng.dirichlet(np.full(DEEPEST, 0.3), n)
    drawn = (posterior.cumsum(1) < rng.random((n, 1))).sum(1)
    read = ReadColumns(
        posterior=posterior,
        presence=np.full(n, 0.9),
        depth=np.minimum(drawn, DEEPEST - 1) + 1,
        dose=np.full(n, 100.0),
        particle=np.arange(n) % 50,
        evidence=np.zeros((n, DEEPEST)),
    )
    calibration = fit_calibration(read.take(read.particle < 25))
    assert len(calibration.dose) == 1
    other = read.take(read.particle >= 25)
    posterior = calibrated(other.posterior, 100.0, calibration)
    inside = coverage(posterior, other.dose, other.depth, lambda _: interval_level(100.0, calibration))
    assert 0.88 <= inside.mean() <= 0.94


def test_sure_singletons_cover_more_than_asked_for():
    """A reader that is right 97 times in 100 and knows it: one depth is the least that an interval holds."""
    rng = np.random.default_rng(0)
    n = 4000
    depth = rng.integers(1, DEEPEST + 1, n)
    mode = np.where(rng.random(n) < 0.97, depth, depth % DEEPEST + 1)
    posterior = np.full((n, DEEPEST), 0.03 / (DEEPEST - 1))
    posterior[np.arange(n), mode - 1] = 0.97
    read = ReadColumns(
        posterior=posterior,
        presence=np.full(n, 0.9),
        depth=depth,
        dose=np.full(n, 1000.0),
        particle=np.arange(n) % 20,
        evidence=np.zeros((n, DEEPEST)),
    )
    calibration = fit_calibration(read)
    level = interval_level(1000.0, calibration)
    low, high = narrowest_interval(calibrated(posterior, 1000.0, calibration), level)
    assert (low == high).all()
    assert level >= 0.5


def test_presence_comes_true_and_false_columns_do_not_touch_the_depths(seen, unseen):
    def with_false_ones(read, seed):
        rng = np.random.default_rng(seed)
        chance = 1 / (1 + np.exp(-rng.normal(2, 1, len(read))))
        real = rng.random(len(read)) < chance
        odds = np.log(chance / (1 - chance))
        claimed = 1 / (1 + np.exp(-(odds - 1.5 + 0.2 * np.log(read.dose / LOWEST)) / 2))
        return replace(read, presence=claimed, depth=np.where(real, read.depth, 0))

    calibration = fit_calibration(with_false_ones(seen, 0))
    np.testing.assert_allclose(calibration.temperature, 1.0, rtol=0.1)
    read = with_false_ones(unseen, 1)
    presence = calibrated_presence(read.presence, read.dose, calibration)
    groups = group(read.dose)
    for own in (groups == i for i in range(len(GROUPS) - 1)):
        assert calibration_error(presence[own], read.depth[own] > 0) < 0.02
        assert calibration_error(read.presence[own], read.depth[own] > 0) > 0.04


def test_evidence_counts_as_much_as_it_adds(seen, unseen):
    """A second measurement, of which the reader has seen all or nothing; and one that says too much."""

    def with_evidence(read, noise, share, seed):
        measured = read.depth + noise * np.random.default_rng(seed).standard_normal(len(read))
        told = -0.5 * ((measured[:, None] - np.arange(1, DEEPEST + 1)) / noise) ** 2
        known = normalised(read.posterior * np.exp(told - told.max(1, keepdims=True)))
        return replace(read, posterior=known if share else read.posterior, evidence=told)

    fresh = fit_calibration(with_evidence(seen, 0.8, 0, 0))
    np.testing.assert_allclose(fresh.evidence_weight, 1.0, atol=0.1)
    np.testing.assert_allclose(fresh.temperature, 1.0, rtol=0.2)
    used = fit_calibration(with_evidence(seen, 0.8, 1, 0))
    np.testing.assert_allclose(used.evidence_weight, 0.0, atol=0.1)
    boast = with_evidence(seen, 0.8, 0, 0)
    doubted = fit_calibration(replace(boast, evidence=4 * boast.evidence))
    np.testing.assert_allclose(doubted.evidence_weight, 0.25, atol=0.04)
    read = with_evidence(unseen, 0.8, 0, 1)
    posterior = calibrated(read.posterior, read.dose, fresh, read.evidence)
    right = posterior.argmax(1) + 1 == read.depth
    assert right.mean() > (read.posterior.argmax(1) + 1 == read.depth).mean() + 0.05
    assert calibration_error(posterior.max(1), right) < 0.02


def test_columns_that_are_not_reported_decide_nothing_about_depths(seen):
    """Readings of improbable columns, whose depths are nonsense."""
    n = len(seen)
    rng = np.random.default_rng(0)
    real = rng.random(n) < 0.15
    doubtful = replace(
        seen,
        presence=rng.uniform(0.1, 0.3, n),
        depth=np.where(real, DEEPEST, 0),
        posterior=seen.posterior[::-1],
    )
    both = ReadColumns(
        **{name: np.concatenate([values, getattr(doubtful, name)]) for name, values in vars(seen).items()}
    )
    calibration = fit_calibration(both)
    np.testing.assert_allclose(calibration.temperature, 1.0, rtol=0.1)
    np.testing.assert_allclose(calibration.depth_offset, 0.0, atol=0.1)


def constant(**changes):
    known = dict.fromkeys(("temperature", "presence_slope"), (1.0,))
    known |= {"dose": (100.0,), "level": (0.9,), "presence_offset": (0.0,), "depth_offset": (0.0,) * 3}
    return Calibration(**known | {name: (value,) for name, value in changes.items()})


def test_between_doses_it_is_interpolated_and_beyond_them_constant():
    calibration = Calibration(
        dose=(10.0, 1000.0),
        temperature=(4.0, 1.0),
        depth_offset=(0.0, 0.0),
        level=(0.8, 0.9),
        presence_slope=(1.0, 1.0),
        presence_offset=(0.0, 2.0),
    )
    posterior = np.array([[0.8, 0.2]])

    def sharpness(dose):
        first, second = calibrated(posterior, dose, calibration)[0]
        return np.log(first / second) / np.log(4)

    assert sharpness(100.0) == pytest.approx(1 / 2)
    assert sharpness(1.0) == sharpness(10.0) == pytest.approx(1 / 4)
    assert sharpness(1e6) == pytest.approx(1.0)
    assert interval_level(100.0, calibration) == pytest.approx(0.85)
    assert interval_level(1e9, calibration) == 0.9
    half = np.array([0.5])
    assert calibrated_presence(half, 100.0, calibration)[0] == pytest.approx(1 / (1 + np.exp(-1)))
    assert sharpness(None) == sharpness(100.0)
    assert interval_level(None, calibration) == pytest.approx(0.85)


def test_halves_share_no_particle():
    particle = np.array([7, 3, 3, 9, 7, 12])
    np.testing.assert_array_equal(first_half(particle), [False, True, True, True, False, False])


def test_one_particle_is_not_enough(seen):
    with pytest.raises(InputError, match="two particles"):
        fit_calibration(seen.take(seen.particle == 0))
