"""Mixtures of steps against strengths that were drawn from them."""

from __future__ import annotations

import numpy as np
import pytest

from nanonet.atomic_columns.mixture import expected, fit_mixtures
from nanonet.atomic_columns.mixture_choice import count_atoms, log_evidence
from nanonet.atomic_columns.mixture_model import MixtureModel
from nanonet.records import InputError

CHANNELLED = np.array([0.76, 1.54, 2.5, 3.6, 4.8, 6.0, 7.1, 8.1, 9.1])
"""Cross-sections of gold columns along [110] at 200 kV, over the mean of an atom."""


def drawn(n, error, *, own=0.08, deepest=7, response=None, seed=0):
    """Return depths, strengths of 100 an atom, and their errors."""
    rng = np.random.default_rng(seed)
    depths = np.clip(np.rint(rng.normal(0.6 * deepest, 0.25 * deepest, n)), 1, deepest).astype(int)
    mean = depths if response is None else response[depths - 1]
    strengths = 100 * (mean + np.hypot(error, own) * rng.standard_normal(n))
    return depths, strengths, np.full(n, 100.0 * error)


def interval(posterior):
    cumulated = np.cumsum(posterior, axis=1)
    return (cumulated < 0.05).sum(1) + 1, (cumulated < 0.95).sum(1) + 1


@pytest.mark.parametrize("widths", ["shared", "poisson"])
@pytest.mark.parametrize("criterion", ["evidence", "icl"])
def test_steps_that_show_are_counted(widths, criterion):
    depths, strengths, errors = drawn(80, 0.08)
    model = MixtureModel(widths=widths)
    counts = count_atoms(strengths, errors, most=12, model=model, criterion=criterion)
    assert counts.components == counts.components_icl == 7
    assert np.mean(counts.posterior.argmax(1) + 1 == depths) > 0.97
    assert counts.mixtures.step[6] == pytest.approx(100, rel=0.02)


def test_the_unit_of_the_strengths_does_not_matter():
    _, strengths, errors = drawn(60, 0.2)
    one = count_atoms(strengths, errors, most=9, model=MixtureModel(bend=0.1))
    other = count_atoms(1e-4 * strengths, 1e-4 * errors, most=9, model=MixtureModel(bend=0.1))
    np.testing.assert_allclose(one.posterior, other.posterior, atol=1e-6)


def test_channelling_needs_steps_that_bend():
    depths, strengths, errors = drawn(90, 0.08, deepest=9, own=0.05, response=CHANNELLED)
    bent = count_atoms(strengths, errors, most=12, model=MixtureModel(bend=0.1))
    even = count_atoms(strengths, errors, most=12, model=MixtureModel())
    assert np.mean(bent.posterior.argmax(1) + 1 == depths) > 0.95
    assert np.mean(even.posterior.argmax(1) + 1 == depths) < 0.6


def test_a_response_that_is_told_replaces_the_bend():
    depths, strengths, errors = drawn(60, 0.2, deepest=9, own=0.05, response=CHANNELLED)
    model = MixtureModel(bend=0.02, response=(CHANNELLED / CHANNELLED[0]).tolist())
    counts = count_atoms(strengths, errors, most=12, model=model)
    assert np.mean(counts.posterior.argmax(1) + 1 == depths) > 0.9
    np.testing.assert_allclose(model.places(11)[8:], (9.1 + np.arange(3)) / 0.76)


def test_a_step_that_is_told_is_kept():
    depths, strengths, errors = drawn(60, 0.45)
    counts = count_atoms(strengths, errors, most=10, model=MixtureModel(step=100.0))
    np.testing.assert_array_equal(counts.mixtures.step, 100.0)
    assert np.mean(np.abs(counts.posterior.argmax(1) + 1 - depths) <= 1) > 0.9


@pytest.mark.parametrize("error", [0.1, 0.3, 0.5])
def test_intervals_hold_the_truth_even_where_steps_do_not_show(error):
    """ICL is sure of too few components there; the evidence is not sure of anything."""
    inside, sure = [], []
    for seed in range(6):
        depths, strengths, errors = drawn(60, error, seed=seed)
        counts = count_atoms(strengths, errors, most=12, model=MixtureModel())
        low, high = interval(counts.posterior)
        inside.append(np.mean((low <= depths) & (depths <= high)))
        sure.append(np.mean(counts.posterior.max(1)) - np.mean(counts.posterior.argmax(1) + 1 == depths))
    assert np.mean(inside) > 0.85
    if error <= 0.1:
        assert np.mean(sure) < 0.1


def test_icl_prefers_too_few_components_where_noise_hides_the_steps():
    depths, strengths, errors = drawn(60, 0.5)
    counts = count_atoms(strengths, errors, most=12, model=MixtureModel(), criterion="icl")
    assert counts.components_icl < 5
    assert depths.max() == 7


def test_a_free_offset_is_found():
    depths, strengths, errors = drawn(120, 0.05, own=0.05)
    counts = count_atoms(strengths + 30, errors, most=10, model=MixtureModel(offset="free"))
    assert counts.mixtures.offset[6] == pytest.approx(30, abs=6)
    assert np.mean(counts.posterior.argmax(1) + 1 == depths) > 0.95


def test_climbing_does_not_lower_the_posterior_of_the_fit():
    """The fit beats the same mixture with its parameters moved a little either way."""
    _, strengths, errors = drawn(100, 0.1)
    model = MixtureModel()
    best = fit_mixtures(strengths, errors, most=8, model=model).take(np.array([6]))
    likelihood = expected(strengths, errors, model, best)[0][0]
    for factor in (0.97, 1.03):
        moved = type(best)(best.offset, best.step * factor, best.width, best.places, best.weights)
        assert expected(strengths, errors, model, moved)[0][0] < likelihood


def test_evidence_is_that_of_a_sum_over_weights_and_step():
    """Two components, few columns: Laplace's method against a sum over weight and step, up to a constant."""
    model = MixtureModel()
    differences = []
    for seed in (1, 2, 3):
        rng = np.random.default_rng(seed)
        strengths = 100 * (rng.choice([1, 2], 25, p=[0.4, 0.6]) + 0.15 * rng.standard_normal(25))
        errors = np.full(25, 12.0)
        mixtures = fit_mixtures(strengths, errors, most=2, model=model)
        laplace = log_evidence(strengths, errors, model, mixtures)[1]
        log_ratio = np.linspace(-4, 4, 161)
        weight = 1 / (1 + np.exp(-log_ratio))
        steps = mixtures.step[1] * np.exp(np.linspace(-0.15, 0.15, 121))
        width = mixtures.width[1]
        total = np.full((161, 121), 0.0)
        for j, step in enumerate(steps):
            variance = width**2 + 12.0**2
            density = np.exp(-((strengths[:, None] - step * np.array([1, 2])) ** 2) / (2 * variance))
            density /= np.sqrt(2 * np.pi * variance)
            mix = (1 - weight)[:, None] * density[:, 0] + weight[:, None] * density[:, 1]
            total[:, j] = np.log(mix).sum(axis=1) - 0.5 * log_ratio**2
        brute = np.log(np.exp(total - total.max()).sum()) + total.max()
        differences.append(laplace - brute)
    assert np.ptp(differences) < 0.15


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bend": -0.1}, "bend of a mixture must not be negative"),
        ({"step": 0.0}, "step of an atom must be positive"),
        ({"response": [2.0, 3.0]}, "must start with 1 and rise"),
        ({"response": [1.0, 0.5]}, "must start with 1 and rise"),
    ],
)
def test_impossible_models_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        MixtureModel(**values)


def test_no_columns_and_no_components_are_refused():
    with pytest.raises(InputError, match="at least one column"):
        fit_mixtures(np.zeros(0), np.zeros(0), most=3, model=MixtureModel())
    with pytest.raises(InputError, match="at least 1"):
        fit_mixtures(np.ones(5), np.ones(5), most=0, model=MixtureModel())
