"""Whatever a feature's distribution is at a dose, its scores are standard normal."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nanonet.atomic_columns.normal_scores import medians, normal_scores, quantile_tables, standard_normal
from nanonet.records.familiarity import LEVELS

KNOTS = np.linspace(1.3, 4.3, 5)


def skewed(rng, n):
    """Return log-normal features whose place and width depend on the dose."""
    log_dose = rng.uniform(1.3, 4.3, n)
    values = 3 * log_dose + log_dose * np.exp(0.7 * rng.standard_normal(n))
    return values[:, None], log_dose


@pytest.fixture(scope="module")
def tables():
    values, log_dose = skewed(np.random.default_rng(0), 6000)
    return quantile_tables(values, log_dose, KNOTS, np.array([0.0]))


def test_scores_are_standard_normal_at_every_dose(tables):
    values, log_dose = skewed(np.random.default_rng(1), 6000)
    scores = normal_scores(values, log_dose, KNOTS, tables)[:, 0]
    for low, high in ((1.4, 2.3), (2.3, 3.3), (3.3, 4.2)):
        own = scores[(log_dose > low) & (log_dose < high)]
        assert stats.kstest(own, "norm").statistic < 0.08


def test_quantiles_are_met_and_order_is_kept(tables):
    at_knot = normal_scores(tables[2, 0][:, None], np.full(len(LEVELS), KNOTS[2]), KNOTS, tables)
    np.testing.assert_allclose(at_knot[:, 0], standard_normal(), atol=1e-9)
    ladder = np.linspace(-50, 80, 300)[:, None]
    scores = normal_scores(ladder, np.full(300, 2.5), KNOTS, tables)[:, 0]
    assert (np.diff(scores) > 0).all()
    assert medians(np.array([KNOTS[1]]), KNOTS, tables)[0, 0] == pytest.approx(
        tables[1, 0, LEVELS.index(0.5)]
    )


def test_beyond_the_doses_the_nearest_is_taken(tables):
    low, high = (normal_scores(np.array([[15.0]]), np.array([dose]), KNOTS, tables) for dose in (0.0, 9.0))
    assert low == normal_scores(np.array([[15.0]]), KNOTS[:1], KNOTS, tables)
    assert high == normal_scores(np.array([[15.0]]), KNOTS[-1:], KNOTS, tables)


def test_differences_below_the_tolerance_do_not_matter():
    rng = np.random.default_rng(0)
    values, log_dose = 1e-4 * rng.standard_normal((500, 1)), rng.uniform(1.3, 4.3, 500)
    exact, tolerant = (quantile_tables(values, log_dose, KNOTS, np.array([least])) for least in (0.0, 0.1))
    odd, dose = np.array([[0.1]]), np.array([2.0])
    assert normal_scores(odd, dose, KNOTS, exact)[0, 0] > 100
    assert normal_scores(odd, dose, KNOTS, tolerant)[0, 0] == pytest.approx(1.0, abs=0.02)


def test_what_is_unknown_is_typical():
    values = np.full((50, 1), np.nan)
    tables = quantile_tables(values, np.linspace(1.3, 4.3, 50), KNOTS, np.array([0.1]))
    assert np.isfinite(tables).all()
    assert (normal_scores(values[:2], np.array([1.0, 2.0]), KNOTS, tables) == 0).all()
