"""Etched bodies: faceted ones with a round hollow in the middle of each facet of a family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from simulate.crystals import Crystal
from simulate.ranges import Range, drawn, require_range
from simulate.structures.faceted import facets
from simulate.structures.solids import Polyhedron, Solid


@dataclass(frozen=True, kw_only=True)
class Faceted:
    """Convex bodies of facet families whose distances vary from one to the next.

    The diameter is between facets of the family that is nearest.

    Parameters
    ----------
    distances
        Of each family ("111"), lowest and highest, in any unit.
    jitter
        Standard deviation of each facet's distance from the centre, relative.
    """

    distances: Mapping[str, Range] = field(default_factory=lambda: {"111": 1.0, "100": (1.0, 1.3)})
    jitter: float = 0.02

    def __post_init__(self) -> None:
        for family, distance in self.distances.items():
            require_range(f"distance of {{{family}}}", distance)

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Polyhedron:
        """Draw a solid of a diameter [Å]."""
        found = {family: drawn(distance, rng) for family, distance in self.distances.items()}
        return facets(crystal, found, diameter=diameter, jitter=self.jitter, rng=rng)


@dataclass(frozen=True, kw_only=True)
class Etched:
    """Faceted bodies, of which the facets of the first family are hollow; the diameter is that before.

    Parameters
    ----------
    whole
        What is etched.
    depth
        How deep a hollow is, of the facet's distance from the centre.
    width
        Radius of the ball that hollows it, of that distance.
    """

    whole: Faceted = field(default_factory=Faceted)
    depth: Range = (0.1, 0.5)
    width: Range = (0.5, 1.2)

    def __post_init__(self) -> None:
        require_range("depth", self.depth, "of the way to the centre", low=0.0, high=0.9)
        require_range("width", self.width, "of the way to the centre")

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Hollowed:
        """Draw a solid of a diameter [Å]."""
        from simulate.crystals import facet_normals

        body = self.whole.solid(crystal, diameter, rng)
        count = len(facet_normals(next(iter(self.whole.distances)), crystal))
        depth, width = drawn(self.depth, rng), drawn(self.width, rng)
        distances = body.distances[:count]
        return Hollowed(
            body=body,
            centres=body.normals[:count] * (distances * (1 - depth + width))[:, None],
            radii=distances * width,
            depth=depth,
        )


@dataclass(frozen=True, kw_only=True)
class Hollowed(Solid):
    """A faceted body without what lies in balls.

    Parameters
    ----------
    centres, radii
        (k, 3), (k,) of the balls [Å].
    depth
        Of the hollows, relative to their facets' distances.
    """

    body: Polyhedron
    centres: Float[np.ndarray, "k 3"]
    radii: Float[np.ndarray, " k"]
    depth: float

    @property
    def reach(self) -> float:
        """That of the body."""
        return self.body.reach

    @property
    def about(self) -> Mapping[str, Any]:
        """How far it is etched."""
        return {"etching": self.depth}

    def inside(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return which points it holds."""
        held = self.body.inside(points)
        square = (points[held] ** 2).sum(axis=1)
        for centre, radius in zip(self.centres.astype(points.dtype), self.radii, strict=True):
            # |p - c|² >= r², of those that are left.
            rest = square - 2 * points[held] @ centre + centre @ centre >= radius**2
            held[held] = rest
            square = square[rest]
        return held
