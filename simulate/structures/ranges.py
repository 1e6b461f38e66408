"""Pairs of a lowest and a highest value that recipes draw between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nanonet.records import InputError


def drawn(pair: Sequence[float], rng: np.random.Generator) -> float:
    """Return a number drawn uniformly between the two of a pair."""
    return float(rng.uniform(pair[0], pair[1]))


def require_range(
    name: str, pair: Sequence[float], unit: str, *, low: float | None = None, high: float = np.inf
) -> None:
    """Raise an `InputError` unless a pair is [lowest, highest] within limits; without ``low``, above 0."""
    bottom = "0 < " if low is None else f"{low:g} <= "
    top = "" if np.isinf(high) else f" <= {high:g}"
    right = len(pair) == 2 and pair[0] <= pair[1] <= high
    if not right or (pair[0] <= 0 if low is None else pair[0] < low):
        raise InputError(
            f"{name} must be [lowest, highest] with {bottom}lowest <= highest{top}, got {list(pair)} {unit}"
        )
