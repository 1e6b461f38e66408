"""Calibration error and coverage of readings whose true calibration is known."""

from __future__ import annotations

import numpy as np
import pytest

from nanonet.metrics.calibration import (
    calibration_error,
    calibration_error_estimate,
    coverage_estimate,
    reliability,
)
from nanonet.records import InputError


def readings(seed, claim, particles=60, each=40, spread=0.0):
    """Return claimed confidence, whether right, and particle; ``claim`` maps the true chance to the claim."""
    rng = np.random.default_rng(seed)
    particle = np.repeat(np.arange(particles), each)
    logit = rng.normal(0.8, 1.2, particles * each)
    claimed = claim(1 / (1 + np.exp(-logit)))
    # Particles are easy or hard, which moves all of their columns together but not the mean.
    shift = spread * rng.normal(size=particles)[particle]
    right = rng.random(len(logit)) < 1 / (1 + np.exp(-logit - shift))
    return claimed, right, particle


def honest(chance):
    return chance


def boasting(chance):
    return chance**0.4


def test_the_error_of_a_known_gap():
    confidence = np.repeat([0.6, 0.9], 1000)
    right = np.tile(np.arange(1000) < 500, 2)  # half are right in both
    assert calibration_error(confidence, right) == pytest.approx((0.1 + 0.4) / 2)
    assert calibration_error(confidence, right, bins=1) == pytest.approx(0.25)


def test_order_and_ties_do_not_matter():
    confidence, right, _ = readings(0, lambda p: np.round(p, 1))
    order = np.argsort(right)
    assert calibration_error(confidence, right) == pytest.approx(
        calibration_error(confidence[order], right[order])
    )
    same = np.full(len(right), 0.7)
    assert calibration_error(same, right) == pytest.approx(abs(right.mean() - 0.7))


def test_honest_readings_have_no_error_but_scatter():
    confidence, right, particle = readings(1, honest, particles=400, each=200)
    assert calibration_error(confidence, right) < 0.01
    confidence, right, particle = readings(1, honest, particles=20, each=20)
    found = calibration_error_estimate(confidence, right, particle)
    plain = calibration_error(confidence, right)
    assert found.low == 0.0
    assert found.value < plain
    assert f"{plain:.3f}" in found.note


def true_error(claim):
    confidence, right, _ = readings(99, claim, particles=2000, each=200)
    return calibration_error(confidence, right)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_the_interval_holds_the_true_error_nine_times_in_ten(spread):
    truth = true_error(boasting)
    assert truth > 0.05
    inside = []
    for seed in range(150):
        found = calibration_error_estimate(*readings(seed, boasting, spread=spread))
        inside.append(found.low <= truth <= found.high)
        assert found.low <= found.value <= found.high
    assert 0.83 <= np.mean(inside) <= 0.97


def test_coverage_interval_widens_where_particles_differ():
    rng = np.random.default_rng(0)
    particle = np.repeat(np.arange(50), 40)
    alike = rng.random(2000) < 0.9
    differing = rng.random(2000) < rng.choice([0.8, 1.0], 50)[particle]
    first, second = coverage_estimate(alike, particle), coverage_estimate(differing, particle)
    assert first.value == pytest.approx(alike.mean())
    assert first.low <= 0.9 <= first.high
    assert second.high - second.low > 2 * (first.high - first.low)


def test_one_particle_has_no_interval():
    confidence, right, _ = readings(0, honest, particles=1)
    one = np.zeros(len(right), int)
    for found in (calibration_error_estimate(confidence, right, one), coverage_estimate(right, one)):
        assert found.low is None
        assert found.high is None
    assert np.isnan(coverage_estimate(right[:0], one[:0]).value)


def test_bins_hold_every_reading_once():
    confidence, right, _ = readings(0, honest)
    dose = np.geomspace(20, 200, len(right))
    found = reliability(confidence, right, dose)
    number = np.array(found.number)
    assert found.dose == pytest.approx((20, 200), rel=0.05)
    assert number.sum() == len(right)
    assert np.array(found.right) @ number == pytest.approx(right.sum())
    assert np.array(found.confidence) @ number == pytest.approx(confidence.sum())
    assert np.all(np.diff(found.confidence) > 0)
    with pytest.raises(InputError, match="no readings"):
        reliability(confidence[:0], right[:0], dose[:0])
