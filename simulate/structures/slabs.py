"""Slabs: a piece of bulk with one surface seen edge-on, flat, stepped or saw-toothed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from nanonet.records import InputError
from simulate.crystals import Crystal, direction, plane_spacing
from simulate.crystals.crystal import indices
from simulate.ranges import drawn, require_range
from simulate.structures.solids import ON_PLANE, Solid

RIM = 5.0
"""Å by which a slab goes on beyond what images may show of it."""


@dataclass(frozen=True, kw_only=True)
class Slab(ABC):
    """Slabs that cross an image: their surface is seen edge-on, their bulk goes on beyond the image.

    The diameter is the edge of the square, around the origin, within which it is a slab: ``about["window"]``
    says so ([[lowest y, highest y], [lowest x, highest x]] in Å), and images are to stay within it. Outside
    of it the bulk ends in a round rim that stands for nothing.

    Parameters
    ----------
    surface
        Indices of the surface.
    along
        [uvw] in the surface that steps and teeth run along: the zone axis of a view edge-on.
    level
        Where the surface lies from the middle of the window, of the diameter, lowest and highest.
    thickness
        At the surface along ``along`` [Å], lowest and highest; a recipe's ``depth`` cuts what is thicker.
    wedge
        Angle [degrees], lowest and highest, by which it grows thicker into the bulk.
    """

    surface: str = "1-10"
    along: Sequence[int] = (1, 1, 0)
    level: Sequence[float] = (-0.2, 0.3)
    thickness: Sequence[float] = (8.0, 40.0)
    wedge: Sequence[float] = (0.0, 30.0)

    def __post_init__(self) -> None:
        require_range("level", self.level, "of the diameter", low=-0.5, high=0.5)
        require_range("thickness", self.thickness, "Å")
        require_range("wedge", self.wedge, "degrees", low=0.0, high=120.0)
        indices(self.surface)

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Edge:
        """Draw a solid of a diameter [Å].

        Raises
        ------
        InputError
            If ``along`` does not lie in the surface.
        """
        normal, along = _normal(self.surface, crystal), direction(self.along, crystal)
        if abs(normal @ along) > 1e-6:
            raise InputError(f"along [{self.along}] must lie in the surface ({self.surface})")
        spacing = plane_spacing(indices(self.surface), crystal)
        radius = diameter / np.sqrt(2) + RIM
        return Edge(
            along=along,
            normal=normal,
            radius=radius,
            level=diameter * drawn(self.level, rng),
            thickness=drawn(self.thickness, rng),
            wedge=drawn(self.wedge, rng),
            profile=self.profile(crystal, spacing, radius, rng),
            window=diameter / 2,
        )

    @abstractmethod
    def profile(self, crystal: Crystal, spacing: float, radius: float, rng: np.random.Generator) -> Profile:
        """Draw the surface's profile for layers ``spacing`` apart, within ``radius`` [Å] either way."""


@dataclass(frozen=True, kw_only=True)
class FlatSlab(Slab):
    """Slabs with a flat surface."""

    def profile(self, crystal: Crystal, spacing: float, radius: float, rng: np.random.Generator) -> Profile:
        """Return level 0 everywhere."""
        return Profile(places=np.array([0.0]), heights=np.array([0.0]), slopes=(0.0, 0.0))


@dataclass(frozen=True, kw_only=True)
class SteppedSlab(Slab):
    """Slabs with terraces, steps of one or more layers up or down between them.

    Parameters
    ----------
    terrace
        Width [Å], lowest and highest.
    layers
        Layers of a step, at most.
    """

    terrace: Sequence[float] = (6.0, 25.0)
    layers: int = 2

    def profile(self, crystal: Crystal, spacing: float, radius: float, rng: np.random.Generator) -> Profile:
        """Draw terraces."""
        widths = rng.uniform(
            self.terrace[0], self.terrace[1], size=int(np.ceil(2 * radius / self.terrace[0])) + 2
        )
        edges = -radius - widths[0] * rng.uniform() + np.cumsum(widths)
        jumps = rng.integers(1, self.layers + 1, size=len(widths)) * rng.choice([-1, 1], size=len(widths))
        heights = spacing * np.cumsum(jumps)
        near = np.abs(edges) < radius
        level = np.median(heights[near]) if near.any() else heights[0]
        return Profile(places=edges, heights=heights - level, slopes=None)


@dataclass(frozen=True, kw_only=True)
class SawToothSlab(Slab):
    """Slabs whose surface breaks up into nanofacets: CeO2 (110) into {111}.

    Parameters
    ----------
    facets
        Indices of the two sides of a tooth, both of which hold ``along``.
    tooth
        Width [Å], lowest and highest.
    roughness
        Standard deviation of the peaks' heights [Å].
    """

    facets: Sequence[str] = ("1-11", "1-1-1")
    tooth: Sequence[float] = (8.0, 24.0)
    roughness: float = 1.0

    def profile(self, crystal: Crystal, spacing: float, radius: float, rng: np.random.Generator) -> Profile:
        """Draw teeth.

        Raises
        ------
        InputError
            If the facets do not hold ``along``, or do not lean to either side.
        """
        normal, along = _normal(self.surface, crystal), direction(self.along, crystal)
        sides = np.array([_normal(facet, crystal) for facet in self.facets])
        lean = sides @ np.cross(normal, along) / (sides @ normal)
        if np.abs(sides @ along).max() > 1e-6 or len(lean) != 2 or not lean.min() < 0 < lean.max():
            raise InputError(
                f"facets {list(self.facets)} must be two sides of a tooth along {list(self.along)}"
            )
        widths = rng.uniform(self.tooth[0], self.tooth[1], size=int(np.ceil(2 * radius / self.tooth[0])) + 4)
        peaks = -radius - 2 * widths[0] * rng.uniform() + np.cumsum(widths)
        heights = self.roughness * rng.standard_normal(len(peaks))
        # A facet of normal (lean, 1) falls by lean for each Å.
        return Profile(places=peaks, heights=heights, slopes=(-float(lean.min()), -float(lean.max())))


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The height of a surface along a line.

    Parameters
    ----------
    places, heights
        (k,) Å: ends of terraces and their heights, or peaks.
    slopes
        Up to a peak and down from it; None for terraces.
    """

    places: Float[np.ndarray, " k"]
    heights: Float[np.ndarray, " k"]
    slopes: tuple[float, float] | None

    def at(self, points: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the heights [Å] at points of the line."""
        if self.slopes is None:
            which = np.searchsorted(self.places, points).clip(max=len(self.places) - 1)
            return np.asarray(self.heights[which])
        away = points[:, None] - self.places
        return np.asarray((self.heights + away * np.where(away < 0, *self.slopes)).max(axis=1))


@dataclass(frozen=True, kw_only=True)
class Edge(Solid):
    """A round piece of a slab, cut by its surface.

    Parameters
    ----------
    along, normal
        (3,) unit vectors through the slab and out of its surface.
    radius
        Of the piece around the origin [Å].
    level
        Of the surface from the origin [Å].
    thickness
        Along ``along``, at the surface [Å].
    wedge
        Angle between the two faces [degrees].
    window
        Half of the edge of the square in which it is a slab [Å].
    """

    along: Float[np.ndarray, "3"]
    normal: Float[np.ndarray, "3"]
    radius: float
    level: float
    thickness: float
    wedge: float
    profile: Profile
    window: float

    @property
    def reach(self) -> float:
        """Distance of the farthest point [Å], at most."""
        return float(np.hypot(self.radius, self._half(np.array([-self.radius - self.level]))[0]))

    @property
    def about(self) -> Mapping[str, Any]:
        """The square that images are to stay within, and how the slab lies in it."""
        limits = [-self.window, self.window]
        return {
            "window": [limits, limits],
            "surface_level_angstrom": self.level,
            "wedge_degrees": self.wedge,
        }

    def inside(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return which points it holds."""
        aside, up = points @ np.cross(self.normal, self.along), points @ self.normal
        within = np.hypot(aside, up) <= self.radius
        below = up - self.level <= self.profile.at(aside) + ON_PLANE
        return np.asarray(within & below & (np.abs(points @ self.along) <= self._half(up - self.level)))

    def _half(self, height: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return half of the thickness [Å] at heights over the surface."""
        return np.asarray(self.thickness / 2 + np.tan(np.radians(self.wedge / 2)) * np.maximum(-height, 0.0))


def _normal(plane: str, crystal: Crystal) -> Float[np.ndarray, "3"]:
    """Return the unit normal of one plane (not of its family)."""
    vector = np.array(indices(plane), dtype=float) @ np.linalg.inv(crystal.vectors).T
    return np.asarray(vector / np.linalg.norm(vector))
