"""Outliers of a population: particles that broke, and pairs that grew into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from simulate.crystals import Crystal
from simulate.ranges import Range, drawn, require_range
from simulate.structures.rounded import Sphere
from simulate.structures.solids import Grain, Shape, Solid


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Particles of a shape of which a plane has cut off a piece; the diameter is that of the whole one.

    Parameters
    ----------
    shape
        What broke.
    kept
        Distance of the plane from the centre, in radii: 0 leaves a half. Its direction is random.
    """

    shape: Shape = field(default_factory=Sphere)
    kept: Range = (0.0, 0.4)

    def __post_init__(self) -> None:
        require_range("kept", self.kept, "radii", low=0.0, high=1.0)

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Cut:
        """Draw a solid of a diameter [Å]."""
        whole = self.shape.solid(crystal, diameter, rng)
        return Cut(whole=whole, normal=_direction(rng), distance=diameter / 2 * drawn(self.kept, rng))


@dataclass(frozen=True, kw_only=True)
class Fused:
    """Two particles of a shape that share a plane; the diameter is that of each.

    Each keeps its side of the plane between their centres. The second is turned anyhow; the lattice of
    both, where atoms are made of them, is the crystal's.

    Parameters
    ----------
    shape
        Of which both are drawn.
    separation
        Distance between their centres, in diameters.
    """

    shape: Shape = field(default_factory=Sphere)
    separation: Range = (0.5, 0.8)

    def __post_init__(self) -> None:
        require_range("separation", self.separation, "diameters", high=1.0)

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Pair:
        """Draw a solid around the middle of the two."""
        from scipy.spatial.transform import Rotation

        bodies = [self.shape.solid(crystal, diameter, rng) for _ in range(2)]
        along, apart = _direction(rng), diameter * drawn(self.separation, rng)
        turns = (np.eye(3), Rotation.random(random_state=rng).as_matrix())
        first, second = (
            Cut(
                whole=Moved(body=body, rotation=turn, offset=-sign * along * apart / 2),
                normal=sign * along,
                distance=0.0,
            )
            for body, turn, sign in zip(bodies, turns, (1.0, -1.0), strict=True)
        )
        return Pair(first=first, second=second)


@dataclass(frozen=True, kw_only=True)
class Cut(Solid):
    """What of a solid lies on one side of a plane.

    Parameters
    ----------
    normal
        (3,) outward unit normal.
    distance
        Of the plane from the origin [Å].
    """

    whole: Solid
    normal: Float[np.ndarray, "3"]
    distance: float

    @property
    def reach(self) -> float:
        """That of the whole."""
        return self.whole.reach

    @property
    def grains(self) -> Sequence[Grain]:
        """Those of the whole."""
        return self.whole.grains

    @property
    def about(self) -> Mapping[str, Any]:
        """What is known of the whole."""
        return self.whole.about

    def inside(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return which points it holds."""
        return np.asarray(self.whole.inside(points) & (points @ self.normal <= self.distance))


@dataclass(frozen=True, kw_only=True)
class Moved(Solid):
    """A solid that is turned and then moved.

    Parameters
    ----------
    rotation
        (3, 3) acts on column vectors (x, y, z).
    offset
        (3,) of its own origin [Å].
    """

    body: Solid
    rotation: Float[np.ndarray, "3 3"]
    offset: Float[np.ndarray, "3"]

    @property
    def reach(self) -> float:
        """At most the way to its own origin, and from there."""
        return float(np.linalg.norm(self.offset)) + self.body.reach

    @property
    def about(self) -> Mapping[str, Any]:
        """What is known of the body."""
        return self.body.about

    def inside(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return which points it holds."""
        return self.body.inside((points - self.offset) @ self.rotation)


@dataclass(frozen=True, kw_only=True)
class Pair(Solid):
    """Two solids that do not overlap."""

    first: Solid
    second: Solid

    @property
    def reach(self) -> float:
        """That of the one that reaches farther."""
        return max(self.first.reach, self.second.reach)

    @property
    def about(self) -> Mapping[str, Any]:
        """What is known of the first."""
        return self.first.about

    def inside(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return which points it holds."""
        return np.asarray(self.first.inside(points) | self.second.inside(points))


def _direction(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """Return a unit vector, all directions alike."""
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))
