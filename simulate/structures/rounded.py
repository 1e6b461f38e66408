"""Round shapes: spheres, ellipsoids, rods, plates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.crystals import Crystal, direction, facet_normals, repeat_along
from simulate.ranges import drawn, require_range
from simulate.structures.solids import Capsule, Ellipsoid, Polyhedron


@dataclass(frozen=True, kw_only=True)
class Sphere:
    """Spheres."""

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Ellipsoid:
        """Return the sphere of a diameter [Å]."""
        return Ellipsoid(semiaxes=(diameter / 2, diameter / 2, diameter / 2))


@dataclass(frozen=True, kw_only=True)
class Spheroid:
    """Ellipsoids that lie anyhow in the crystal; the diameter is that of the sphere of the same volume.

    Parameters
    ----------
    elongation
        Longest over shortest axis, lowest and highest; the third lies anywhere between.
    """

    elongation: Sequence[float] = (1.0, 1.8)

    def __post_init__(self) -> None:
        require_range("elongation", self.elongation, "(longest over shortest axis)", low=1.0)

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Ellipsoid:
        """Draw a solid of a diameter [Å]."""
        from scipy.spatial.transform import Rotation

        ratio = drawn(self.elongation, rng)
        axes = np.array([1.0, ratio, rng.uniform(1.0, ratio)])
        long, short, third = diameter / 2 * axes / np.cbrt(axes.prod())
        turned = Rotation.random(random_state=rng).as_matrix()
        return Ellipsoid(semiaxes=(float(long), float(short), float(third)), axes=turned)


@dataclass(frozen=True, kw_only=True)
class Rod:
    """Rods with round ends; the diameter is their width.

    Parameters
    ----------
    axis
        [uvw] along the rod.
    aspect
        Length over width, lowest and highest.
    """

    axis: Sequence[int] = (0, 0, 1)
    aspect: Sequence[float] = (2.0, 4.0)

    def __post_init__(self) -> None:
        require_range("aspect", self.aspect, "(length over width)", low=1.0)
        direction(self.axis)

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Capsule:
        """Draw a solid of a diameter [Å]."""
        length = diameter * drawn(self.aspect, rng)
        return Capsule(axis=direction(self.axis, crystal), radius=diameter / 2, length=length)


@dataclass(frozen=True, kw_only=True)
class Plate:
    """Plates between two facets: round, or with as many straight edges as asked for.

    Parameters
    ----------
    facet
        Indices of the two.
    thickness
        Thickness over diameter, lowest and highest.
    edges
        Straight edges at equal angles, the first along the densest row of atoms (3 and 6 as of silver
        and gold prisms); 0 for a round rim.
    jitter
        Standard deviation of each edge's distance from the centre, relative.
    """

    facet: str = "111"
    thickness: Sequence[float] = (0.15, 0.4)
    edges: int = 6
    jitter: float = 0.05

    def __post_init__(self) -> None:
        require_range("thickness", self.thickness, "(of the diameter)", high=1.0)

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Capsule | Polyhedron:
        """Draw a solid of a diameter [Å]."""
        normal = facet_normals(self.facet, crystal)[-1]  # the last in order has positive indices first
        thickness = diameter * drawn(self.thickness, rng)
        if self.edges < 3:
            return Capsule(axis=normal, radius=diameter / 2, length=thickness, round_ends=False, across=False)
        start = np.cross(normal, _densest_row(normal, crystal))
        angles = 2 * np.pi * np.arange(self.edges) / self.edges
        rim = np.outer(np.cos(angles), start) + np.outer(np.sin(angles), np.cross(normal, start))
        # A polygon of the area of the disc.
        inner = diameter / 2 * np.sqrt(np.pi / (self.edges * np.tan(np.pi / self.edges)))
        moved = 1 + self.jitter * np.clip(rng.standard_normal(self.edges), -3, 3)
        return Polyhedron(
            normals=np.concatenate([rim, [normal, -normal]]),
            distances=np.append(inner * moved, [thickness / 2, thickness / 2]),
            flat=normal,
            facts={"thickness_angstrom": thickness},
        )


def _densest_row(normal: Float[np.ndarray, "3"], crystal: Crystal) -> Float[np.ndarray, "3"]:
    """Return the unit vector along the densest row of atoms in a plane, of low indices.

    Raises
    ------
    InputError
        If no direction of indices up to 2 lies in it.
    """
    rows = [axis for axis in product(range(-2, 3), repeat=3) if any(axis)]
    rows = [axis for axis in rows if abs(direction(axis, crystal) @ normal) < 1e-6]
    if not rows:
        raise InputError(f"a plate of {crystal.name} must lie between facets of low indices")
    return direction(min(rows, key=lambda axis: repeat_along(crystal, axis)), crystal)
