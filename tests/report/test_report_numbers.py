"""Numbers are rounded by their uncertainty, and units carry their own signs."""

from __future__ import annotations

import math

import pytest

from nanonet.records import Estimate
from nanonet.report.numbers import decimals_for, estimate_text, number_text, plain_text, unit_text, with_unit


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (12.3456, 11.9123, 12.7123, ("12.3", "[11.9, 12.7]")),
        (3.90512, 3.8991, 3.9112, ("3.905", "[3.899, 3.911]")),
        (12.3456, 12.2, 12.5, ("12.35", "[12.20, 12.50]")),
        (123456.7, 118000.0, 129000.0, ("123\u202f000", "[118\u202f000, 129\u202f000]")),
        (-0.5012, -0.8, -0.2, ("−0.5", "[−0.8, −0.2]")),
        (100.0, 100.0, 100.0, ("100", "[100, 100]")),
    ],
)
def test_a_number_keeps_the_digits_that_its_interval_supports(value, low, high, expected):
    text = estimate_text(Estimate(name="x", value=value, low=low, high=high))
    assert (text.value, text.interval) == expected


def test_rounding_loses_less_than_half_of_the_uncertainty():
    for half_width in (0.00123, 0.0194, 0.0196, 0.5, 0.99, 1.0, 1.96, 7.0, 15.0, 940.0):
        decimals = decimals_for(half_width)
        assert 0.5 * 10.0**-decimals <= 0.5 * half_width
        assert 10.0**-decimals >= half_width / 20


def test_an_exact_count_has_no_interval_and_all_its_digits():
    text = estimate_text(Estimate(name="columns", value=1234567))
    assert (text.value, text.interval, text.unit) == ("1\u202f234\u202f567", "", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "not known"),
        (math.inf, "not known"),
        (0.0, "0"),
        (-0.0123456, "−0.0123"),
        (3.90512, "3.905"),
        (1.234e-9, "1.23\u202f×\u202f10⁻⁹"),
        (0.5, "0.500"),
    ],
)
def test_a_number_of_unknown_uncertainty(value, text):
    assert plain_text(value) == text


def test_an_interval_with_an_unknown_end_is_not_shown():
    assert estimate_text(Estimate(name="x", value=1.5, low=1.0, high=math.nan)).interval == ""
    assert estimate_text(Estimate(name="x", value=math.nan, low=1.0, high=2.0)).value == "not known"


def test_minus_zero_is_zero():
    assert number_text(-0.0001, 2) == "0.00"


def test_units_are_written_as_signs():
    assert [unit_text(unit) for unit in ("nm2", "angstrom", "Å", "px2", "")] == ["nm²", "Å", "Å", "px²", ""]
    assert with_unit(12.3456, 11.9, 12.7, "nm") == "12.3 [11.9, 12.7]\u00a0nm"
    assert with_unit(90.1234, None, None, "degree") == "90.12°"
