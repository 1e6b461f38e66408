"""Convex faceted shapes: Wulff's construction, its common special cases, and facets at random distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nanonet.records import InputError
from simulate.crystals import Crystal, facet_energies, facet_normals
from simulate.ranges import drawn, require_range
from simulate.structures.solids import Polyhedron


@dataclass(frozen=True, kw_only=True)
class Wulff:
    """Wulff shapes: each facet at a distance in proportion to its energy, moved at random.

    The diameter is the distance between opposite facets of lowest energy before they are moved.

    Parameters
    ----------
    surface_energies
        Relative energy of each facet family ("111": 1.0); those of the crystal where none is given.
    jitter
        Standard deviation of each facet's distance from the centre, relative.
    """

    surface_energies: Mapping[str, float] | None = None
    jitter: float = 0.08

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Polyhedron:
        """Draw a solid of a diameter [Å]."""
        energies = {
            str(key): value for key, value in (self.surface_energies or facet_energies(crystal)).items()
        }
        return facets(crystal, energies, diameter=diameter, jitter=self.jitter, rng=rng)


@dataclass(frozen=True, kw_only=True)
class Cube:
    """Cubes of {100} facets; the diameter is their edge.

    Parameters
    ----------
    truncation
        By how much of the way from an edge to the centre it is cut off by {110}, and of that from a corner by
        {111}, lowest and highest.
    jitter
        Standard deviation of each facet's distance from the centre, relative.
    """

    truncation: Sequence[float] = (0.0, 0.2)
    jitter: float = 0.03

    def __post_init__(self) -> None:
        require_range("truncation", self.truncation, "of the way to the centre", low=0.0, high=0.5)

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Polyhedron:
        """Draw a solid of a diameter [Å]."""
        edges, corners = (1 - drawn(self.truncation, rng) for _ in range(2))
        energies = {"100": 1.0, "110": np.sqrt(2) * edges, "111": np.sqrt(3) * corners}
        return facets(crystal, energies, diameter=diameter, jitter=self.jitter, rng=rng)


@dataclass(frozen=True, kw_only=True)
class TruncatedOctahedron:
    """Octahedra of {111} facets with corners cut off by {100}; the diameter is between {111} facets.

    Parameters
    ----------
    ratio
        Distance of {100} over that of {111}, lowest and highest: √3 and more is a whole octahedron, 2 / √3 a
        regular truncated one, √3 / 2 a cuboctahedron.
    jitter
        Standard deviation of each facet's distance from the centre, relative.
    """

    ratio: Sequence[float] = (1.0, 1.5)
    jitter: float = 0.03

    def __post_init__(self) -> None:
        require_range("ratio", self.ratio, "(distance of {100} over {111})", low=0.6, high=2.0)

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Polyhedron:
        """Draw a solid of a diameter [Å]."""
        ratio = drawn(self.ratio, rng)
        energies = {"111": 1.0, "100": ratio}
        # Below 1 {100} is the cheaper one, and still {111} are a diameter apart.
        size = diameter * min(ratio, 1.0)
        return facets(crystal, energies, diameter=size, jitter=self.jitter, rng=rng)


@dataclass(frozen=True, kw_only=True)
class RhombicDodecahedron:
    """Rhombic dodecahedra of {110} facets; the diameter is between opposite ones."""

    jitter: float = 0.03

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Polyhedron:
        """Draw a solid of a diameter [Å]."""
        return facets(crystal, {"110": 1.0}, diameter=diameter, jitter=self.jitter, rng=rng)


def facets(
    crystal: Crystal,
    energies: Mapping[str, float],
    *,
    diameter: float,
    jitter: float,
    rng: np.random.Generator,
) -> Polyhedron:
    """Return the body within facets at Wulff's distances [Å], each moved by a normal deviate.

    Raises
    ------
    InputError
        If the facets enclose no volume.
    """
    lowest = min(energies.values())
    if lowest <= 0:
        raise InputError(f"surface_energies must be positive, got {dict(energies)}")
    normals, distances = [], []
    for family, energy in energies.items():
        found = facet_normals(family, crystal)
        moved = 1 + jitter * np.clip(rng.standard_normal(len(found)), -3, 3)
        normals.append(found)
        distances.append(diameter / 2 * energy / lowest * moved)
    facts = {"facets": {family: float(np.mean(d)) for family, d in zip(energies, distances, strict=True)}}
    solid = Polyhedron(normals=np.concatenate(normals), distances=np.concatenate(distances), facts=facts)
    solid.corners()  # which raises where the facets enclose no volume
    return solid
