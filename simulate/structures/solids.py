"""Solids: which points of a crystal's frame a particle fills, and in how many grains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from nanonet.records import InputError
from simulate.crystals import Crystal


@dataclass(frozen=True, kw_only=True)
class Grain:
    """A part of a particle whose lattice is another part's, turned and strained.

    Parameters
    ----------
    deformation
        (3, 3) acts on column vectors (x, y, z) of the crystal: turns and strains its lattice into the
        grain's, with an atom on the origin.
    normals
        (k, 3) outward normals of the planes through the origin that bound it: twin planes.
    """

    deformation: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))
    normals: Float[np.ndarray, "k 3"] = field(default_factory=lambda: np.zeros((0, 3)))

    def holds(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return which points lie between its twin planes, or on them."""
        return np.asarray((points @ self.normals.T <= ON_PLANE).all(axis=1))


ON_PLANE = 1e-4
"""Å within which a point counts as on a plane: rounding decides for no atom."""


class Solid(ABC):
    """A body around the origin of the crystal's own frame."""

    @property
    @abstractmethod
    def reach(self) -> float:
        """Radius [Å] of a sphere around the origin that holds it."""

    @property
    def grains(self) -> Sequence[Grain]:
        """Its grains, none where it is one crystal; the first is the one that zone axes are given in."""
        return ()

    @property
    def pieces(self) -> Sequence[Solid]:
        """Convex solids that fill it without overlap, none where it is convex or none are known."""
        return ()

    @property
    def rests_on(self) -> Float[np.ndarray, "3"] | None:
        """Direction that points along the beam where it lies flat on a film, None where it has no such."""
        return None

    @property
    def lies_about(self) -> Float[np.ndarray, "3"] | None:
        """Axis about which it may roll as it lies flat (a rod), None where it may not."""
        return None

    @property
    def about(self) -> Mapping[str, Any]:
        """Plain facts on it: what was drawn."""
        return {}

    @abstractmethod
    def inside(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return which points (x, y, z) [Å] of the crystal's frame it holds."""


@runtime_checkable
class Shape(Protocol):
    """A family of solids; its fields are ranges to draw from."""

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Solid:
        """Draw a solid of a diameter [Å]."""


@dataclass(frozen=True, kw_only=True)
class Polyhedron(Solid):
    """A convex body between planes.

    Parameters
    ----------
    normals
        (k, 3) outward unit normals.
    distances
        (k,) of the planes from the origin [Å].
    flat
        What `Solid.rests_on` tells.
    parts
        Its grains, none where it is one crystal.
    facts
        What `Solid.about` tells.
    """

    normals: Float[np.ndarray, "k 3"]
    distances: Float[np.ndarray, " k"]
    flat: Float[np.ndarray, "3"] | None = None
    parts: Sequence[Grain] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def inside(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return which points lie on or below every plane."""
        return np.asarray((points @ self.normals.T <= self.distances + ON_PLANE).all(axis=1))

    @property
    def reach(self) -> float:
        """Distance of the farthest corner [Å]."""
        return float(np.linalg.norm(self.corners(), axis=1).max())

    @property
    def grains(self) -> Sequence[Grain]:
        """Its grains."""
        return self.parts

    @property
    def rests_on(self) -> Float[np.ndarray, "3"] | None:
        """Direction that points along the beam where it lies flat."""
        return self.flat

    @property
    def about(self) -> Mapping[str, Any]:
        """What was drawn."""
        return self.facts

    def corners(self) -> Float[np.ndarray, "c 3"]:
        """Return its corners (duality: planes n·x = d are the points n / d of a convex hull).

        Raises
        ------
        InputError
            If the planes enclose no volume.
        """
        from scipy.spatial import ConvexHull, QhullError

        if (self.distances <= 0).any():
            raise InputError("facets must lie at positive distances from the centre: lessen the jitter")
        try:
            hull = ConvexHull(self.normals / self.distances[:, None])
        except (QhullError, ValueError) as error:
            raise InputError("these facets enclose no particle: name more families") from error
        if (hull.equations[:, 3] > -1e-9).any():
            raise InputError("these facets enclose no particle: name more families")
        return np.asarray(hull.equations[:, :3] / -hull.equations[:, 3:])


@dataclass(frozen=True, kw_only=True)
class Ellipsoid(Solid):
    """An ellipsoid.

    Parameters
    ----------
    semiaxes
        Three [Å].
    axes
        (3, 3) their directions, one a row.
    """

    semiaxes: tuple[float, float, float]
    axes: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))

    @property
    def reach(self) -> float:
        """Largest semiaxis."""
        return max(self.semiaxes)

    @property
    def about(self) -> Mapping[str, Any]:
        """Its axes."""
        return {"axes_angstrom": [2 * length for length in self.semiaxes]}

    def inside(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return which points it holds."""
        scaled = points @ self.axes.T / np.array(self.semiaxes)
        return np.asarray((scaled**2).sum(axis=1) <= 1.0)


@dataclass(frozen=True, kw_only=True)
class Capsule(Solid):
    """A cylinder with round ends, or flat ones.

    Parameters
    ----------
    axis
        (3,) unit vector along it.
    radius, length
        Å; the length is that of the whole.
    round_ends
        Whether half spheres end it.
    across
        Whether, lying flat, its axis lies across the beam (a rod) and not along it (a plate).
    """

    axis: Float[np.ndarray, "3"]
    radius: float
    length: float
    round_ends: bool = True
    across: bool = True

    @property
    def reach(self) -> float:
        """Half its length, or the distance to the rim of its flat ends."""
        return self.length / 2 if self.round_ends else float(np.hypot(self.length / 2, self.radius))

    @property
    def rests_on(self) -> Float[np.ndarray, "3"] | None:
        """Its axis where it is a plate, some direction across it where it is a rod."""
        if not self.across:
            return self.axis
        start = np.eye(3)[np.argmin(np.abs(self.axis))]
        side = np.cross(self.axis, start)
        return np.asarray(side / np.linalg.norm(side))

    @property
    def lies_about(self) -> Float[np.ndarray, "3"] | None:
        """A rod's axis."""
        return self.axis if self.across else None

    @property
    def about(self) -> Mapping[str, Any]:
        """Its size."""
        return {"length_angstrom": self.length, "width_angstrom": 2 * self.radius}

    def inside(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return which points it holds."""
        along = points @ self.axis
        aside = np.sqrt(np.maximum((points**2).sum(axis=1) - along**2, 0.0))
        if not self.round_ends:
            return np.asarray((aside <= self.radius) & (np.abs(along) <= self.length / 2))
        beyond = np.maximum(np.abs(along) - (self.length / 2 - self.radius), 0.0)
        return np.asarray(np.hypot(aside, beyond) <= self.radius)
