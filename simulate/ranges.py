"""Ranges that settings, sizes and defects are drawn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nanonet.records import InputError

Range = float | Sequence[float] | Sequence[Sequence[float]]
"""A value that stands still, or the lowest and the highest that it is drawn from, or several such pairs."""


def limits(value: Range) -> tuple[float, float]:
    """Return the lowest and the highest value."""
    pairs = _pairs(value)
    return min(low for low, _ in pairs), max(high for _, high in pairs)


def drawn(value: Range, rng: np.random.Generator) -> float:
    """Return a value drawn uniformly; of several pairs each as often as the others."""
    pairs = _pairs(value)
    return float(rng.uniform(*pairs[int(rng.integers(len(pairs))) if len(pairs) > 1 else 0]))


def _pairs(value: Range) -> list[tuple[float, float]]:
    ends = np.reshape(value, (-1, 2)) if np.ndim(value) else np.full((1, 2), value)
    return [(float(low), float(high)) for low, high in ends.astype(float)]


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
    if _is_right(value, low, high):
        return
    bottom = "0 < " if low is None else f"{low:g} <= " if np.isfinite(low) else ""
    top = "" if np.isinf(high) else f" <= {high:g}"
    rule = f"with {bottom}lowest <= highest{top}"
    raise InputError(
        f"{name} must be a number, [lowest, highest] or such pairs, {rule}, got {value} {unit}".rstrip()
    )


def _is_right(value: Range, low: float | None, high: float) -> bool:
    try:
        pairs = _pairs(value)
    except (TypeError, ValueError):  # of no numbers, or of lists of unequal lengths
        return False
    several = not isinstance(value, (int, float))
    pairwise = not several or np.shape(value)[-1] == 2
    return bool(pairs) and pairwise and all(_is_within(pair, low, high) for pair in pairs)


def _is_within(pair: tuple[float, float], low: float | None, high: float) -> bool:
    rises = bool(np.isfinite(pair).all()) and pair[0] <= pair[1] <= high
    return rises and (pair[0] > 0 if low is None else pair[0] >= low)
