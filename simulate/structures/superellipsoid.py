"""Superellipsoids: from octahedra with round faces over ellipsoids to boxes with round edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from simulate.crystals import Crystal
from simulate.ranges import Range, drawn, require_range
from simulate.structures.solids import Solid


@dataclass(frozen=True, kw_only=True)
class Superellipsoid:
    """Bodies of |x/a|ᵖ + |y/b|ᵖ + |z/c|ᵖ <= 1 (Barr, IEEE Comput. Graph. Appl. 1 (1981) 11).

    The diameter is the cube root of abc, doubled.

    Parameters
    ----------
    power
        p, lowest and highest: 1 is an octahedron, 2 an ellipsoid, 8 nearly a box.
    elongation
        Longest over shortest axis, lowest and highest.
    middle
        Where the third axis lies between the shortest (0) and the longest (1), lowest and highest.
    """

    power: Range = (1.3, 6.0)
    elongation: Range = (1.0, 2.5)
    middle: Range = (0.0, 1.0)

    def __post_init__(self) -> None:
        require_range("power", self.power, low=1.0)
        require_range("elongation", self.elongation, "(longest over shortest axis)", low=1.0)
        require_range("middle", self.middle, low=0.0, high=1.0)

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> RoundBox:
        """Draw a solid of a diameter [Å]."""
        ratio = drawn(self.elongation, rng)
        axes = np.array([1.0, 1.0 + drawn(self.middle, rng) * (ratio - 1.0), ratio])
        a, b, c = diameter / 2 * axes / np.cbrt(axes.prod())
        return RoundBox(semiaxes=(float(a), float(b), float(c)), power=drawn(self.power, rng))


@dataclass(frozen=True, kw_only=True)
class RoundBox(Solid):
    """A superellipsoid along x, y and z.

    Parameters
    ----------
    semiaxes
        Three [Å].
    """

    semiaxes: tuple[float, float, float]
    power: float

    @property
    def reach(self) -> float:
        """Largest distance of its surface [Å], by Hölder's inequality."""
        longest, p = max(self.semiaxes), self.power
        if p <= 2:
            return longest
        q = 2 * p / (p - 2)
        return longest * float(((np.array(self.semiaxes) / longest) ** q).sum() ** (1 / q))

    @property
    def about(self) -> Mapping[str, Any]:
        """Its axes and power."""
        return {"axes_angstrom": [2 * length for length in self.semiaxes], "power": self.power}

    def inside(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return which points it holds."""
        scaled = np.abs(points) / np.array(self.semiaxes, points.dtype)
        return np.asarray((scaled**self.power).sum(axis=1) <= 1.0)
