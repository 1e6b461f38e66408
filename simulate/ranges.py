"""Ranges that settings, sizes and defects are drawn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nanonet.records import InputError

Range = float | Sequence[float]
"""A value that stands still, or the lowest and the highest that it is drawn from."""


def limits(value: Range) -> tuple[float, float]:
    """Return the lowest and the highest value."""
    if isinstance(value, (int, float)):
        return float(value), float(value)
    return float(value[0]), float(value[1])


def drawn(value: Range, rng: np.random.Generator) -> float:
    """Return a value drawn uniformly."""
    return float(rng.uniform(*limits(value)))


def log_drawn(value: Range, rng: np.random.Generator) -> float:
    """Return a value drawn uniformly in its logarithm."""
    return float(np.exp(rng.uniform(*np.log(limits(value)))))


def require_range(
    name: str, value: Range, unit: str = "", *, low: float | None = None, high: float = np.inf
) -> None:
    """Check that a value is a finite number, or [lowest, highest], within limits; without ``low`` above 0.

    Raises
    ------
    InputError
        If not.
    """
    pair = [value, value] if isinstance(value, (int, float)) else list(value)
    right = len(pair) == 2 and bool(np.isfinite(pair).all()) and pair[0] <= pair[1] <= high
    if right and (pair[0] > 0 if low is None else pair[0] >= low):
        return
    bottom = "0 < " if low is None else f"{low:g} <= " if np.isfinite(low) else ""
    top = "" if np.isinf(high) else f" <= {high:g}"
    rule = f"{name} must be a number or [lowest, highest] with {bottom}lowest <= highest{top}"
    raise InputError(f"{rule}, got {value} {unit}".rstrip())
