"""Imperfect surfaces: steps, partly filled columns, adatoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from simulate.crystals import facet_normals
from simulate.defects.drawing import draw_count, noted, require_chance
from simulate.defects.filling import refilled
from simulate.ranges import require_range
from simulate.structures.changes import change_end, coordination
from simulate.structures.particle import Particle
from simulate.structures.sites import Sites

HOLLOW = 3
"""Neighbours that hold an adatom: the threefold hollow of a close-packed facet has the fewest."""


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Layers that are missing on one side of a line, on the faces towards and away from the beam.

    Where the beam is along no zone axis, on the {111} or {100} facets that face it most.

    Parameters
    ----------
    count
        Number of steps, fewest and most.
    layers
        Height of a step in atomic layers.
    """

    count: Sequence[int] = (0, 3)
    layers: Sequence[int] = (1, 3)

    def __post_init__(self) -> None:
        require_range("count", self.count, "steps", low=0)
        require_range("layers", self.layers, "layers", low=1)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with steps."""
        occupied, heights = particle.occupied.copy(), []
        for _ in range(draw_count(self.count, rng)):
            heights.append(draw_count(self.layers, rng))
            _take_step(particle.sites, occupied, heights[-1], rng)
        return noted(refilled(particle, occupied, "Steps"), "Steps", layers=heights)


def _take_step(sites: Sites, occupied: Bool[np.ndarray, " n"], layers: int, rng: np.random.Generator) -> None:
    """Take layers off one side of a random line, in place; one layer of the particle always stays."""
    filled = occupied & sites.counted
    normal = _facing(sites) * rng.choice([-1.0, 1.0])
    heights = sites.positions @ normal
    across = np.linalg.svd(normal[None])[2][1:]
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.6)
    places = sites.positions @ across.T @ [np.cos(angle), np.sin(angle)]
    low, high = places[filled].min(), places[filled].max()
    beyond = places > (low + high) / 2 + offset * (high - low) / 2
    levels = np.unique(np.round(heights[filled], 2))
    keep_below = levels[-min(layers, len(levels) - 1)] - 0.1 if len(levels) > 1 else np.inf
    occupied &= ~(beyond & (heights > keep_below) & sites.counted)


def _facing(sites: Sites) -> Float[np.ndarray, " 3"]:
    """Return the normal of the atomic layers that lie across the beam, most nearly so off a zone axis."""
    if (sites.columns >= 0).any():
        return np.array([0.0, 0.0, 1.0])
    normals = np.concatenate([facet_normals((1, 1, 1)), facet_normals((1, 0, 0))]) @ sites.rotation.T
    return np.asarray(normals[normals[:, 2].argmax()])


@dataclass(frozen=True, kw_only=True)
class RaggedEnds:
    """Partly filled columns: some lack counted atoms at one end or both. Nothing off a zone axis.

    Parameters
    ----------
    chance
        That a column does; each lost atom is followed by another every other time.
    """

    chance: float = 0.15

    def __post_init__(self) -> None:
        require_chance("chance", self.chance)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with shorter columns."""
        sites, occupied = particle.sites, particle.occupied.copy()
        columns = np.unique(sites.columns[occupied & sites.counted])
        lost = 0
        for column in columns[columns >= 0]:
            if rng.uniform() < self.chance:
                for _ in range(int(rng.geometric(0.5))):
                    at_exit = bool(rng.integers(2))
                    lost += change_end(sites, occupied, int(column), gain=False, at_exit=at_exit)
        return noted(refilled(particle, occupied, "RaggedEnds"), "RaggedEnds", lost=lost)


@dataclass(frozen=True, kw_only=True)
class Adatoms:
    """Single atoms in hollows of the surface.

    Parameters
    ----------
    chance
        That a hollow, an empty site with three filled neighbours or more, holds one.
    deepest
        Counted atoms that a column may hold with them; by default as many as the deepest has without.
    """

    chance: float = 0.05
    deepest: int | None = None

    def __post_init__(self) -> None:
        require_chance("chance", self.chance)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with adatoms."""
        sites, occupied = particle.sites, particle.occupied.copy()
        number = coordination(sites, occupied)
        inside = number > 0.75 * number.max()  # a vacancy, not a hollow
        hollows = np.flatnonzero(sites.counted & ~occupied & (number >= HOLLOW) & ~inside)
        depths = np.bincount(sites.columns[occupied & sites.counted] + 1, minlength=sites.columns.max() + 2)
        deepest = self.deepest or int(depths[1:].max(initial=0))
        chosen = rng.permutation(hollows[rng.uniform(size=len(hollows)) < self.chance])
        added = 0
        for site in chosen:
            column = sites.columns[site] + 1
            if column == 0 or depths[column] < deepest:
                occupied[site] = True
                depths[column] += 1
                added += 1
        return noted(refilled(particle, occupied, "Adatoms"), "Adatoms", added=added)
