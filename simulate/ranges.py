"""Ranges that settings are drawn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nanonet.records import InputError

Range = float | Sequence[float]
"""A setting that stands still, or its lowest and highest value."""


def limits(value: Range) -> tuple[float, float]:
    """Return the lowest and the highest value."""
    if isinstance(value, (int, float)):
        return float(value), float(value)
    return float(value[0]), float(value[1])


def uniform(value: Range, rng: np.random.Generator) -> float:
    """Draw uniformly."""
    return float(rng.uniform(*limits(value)))


def log_uniform(value: Range, rng: np.random.Generator) -> float:
    """Draw uniformly in the logarithm."""
    return float(np.exp(rng.uniform(*np.log(limits(value)))))


def require_range(name: str, value: Range, *, positive: bool = False, unit: str = "") -> None:
    """Check that a value is a number, or [lowest, highest].

    Raises
    ------
    InputError
        If not, or if it must be positive and is not.
    """
    if not isinstance(value, (int, float)) and (len(value) != 2 or not value[0] <= value[1]):
        raise InputError(f"{name} must be a number or [lowest, highest], got {value}")
    if positive and not limits(value)[0] > 0:
        raise InputError(f"{name} must be positive, got {value} {unit}".rstrip())
