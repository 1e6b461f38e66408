"""How defects draw from their ranges and note what they drew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nanonet.records import InputError
from simulate.structures.particle import Particle

Range = Sequence[float]
"""[lowest, highest] of a uniform distribution."""


def require_chance(name: str, value: float) -> None:
    """Raise where ``value`` is no probability."""
    if not 0 <= value <= 1:
        raise InputError(f"{name} must be a chance from 0 to 1, got {value}")


def as_range(value: Range | float) -> tuple[float, ...]:
    """Return the range; a number alone is the range from zero to it."""
    if isinstance(value, (int, float)):
        return (min(0.0, float(value)), max(0.0, float(value)))
    return tuple(float(bound) for bound in value)


def draw_count(value: Sequence[int], rng: np.random.Generator) -> int:
    """Return a whole number from the range, its ends included."""
    low, high = as_range(value)
    return int(rng.integers(int(low), int(high) + 1))


def noted(particle: Particle, kind: str, **drawn: Any) -> Particle:
    """Return the particle with a defect of this kind in its ``about["defects"]``."""
    defects = [*particle.about.get("defects", ()), {"kind": kind, **drawn}]
    return replace(particle, about={**particle.about, "defects": defects})
