"""Empty sites: missing cations (or atoms of a metal), and missing anions, as when an oxide is reduced."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from simulate.defects.drawing import Range, as_range, noted
from simulate.defects.filling import refilled
from simulate.defects.surroundings import below_surface, gently
from simulate.ranges import drawn, require_range
from simulate.structures.changes import NEXT, nearest_distance
from simulate.structures.particle import Particle


@dataclass(frozen=True, kw_only=True)
class CationVacancies:
    """Empty sites of counted atoms, anywhere in the particle.

    Parameters
    ----------
    fraction
        Of the counted sites that are empty; a number alone is the most, zero then the least.
    surface
        How many times likelier at the surface than deep inside.
    decay
        Depth over which that falls by e [Å].
    relaxation
        How far the neighbours move [Å]: like ones towards the vacancy, unlike ones away from it.
    """

    fraction: Range | float = (0.0, 0.02)
    surface: float = 1.0
    decay: float = 3.0
    # Neighbours of a vacancy in an fcc metal move in by 1 to 2 % of their distance.
    relaxation: Range = (0.0, 0.05)

    def __post_init__(self) -> None:
        _require(self)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with vacancies."""
        return _emptied(self, particle, rng, counted=True)


@dataclass(frozen=True, kw_only=True)
class AnionVacancies:
    """Empty anion sites, more of them near the surface, as reduced CeO2 has them. None in metals.

    Parameters
    ----------
    fraction
        Of the anions that are missing; a number alone is the most, zero then the least.
    surface
        How many times likelier at the surface than deep inside.
    decay
        Depth over which that falls by e [Å].
    relaxation
        How far the neighbours move [Å]: cations away from the vacancy, anions towards it.
    """

    fraction: Range | float = (0.0, 0.05)
    surface: float = 3.0
    decay: float = 4.0
    # The vacancy is positive: it repels cations and draws anions, by 0.1 Å or so. On (110) the nearest anion
    # moves towards it too: Kullgren et al., J. Chem. Phys. 137 (2012) 044705.
    relaxation: Range = (0.0, 0.15)

    def __post_init__(self) -> None:
        _require(self)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with vacancies."""
        return _emptied(self, particle, rng, counted=False)


def _require(defect: CationVacancies | AnionVacancies) -> None:
    require_range("fraction", as_range(defect.fraction), "of the sites", low=0, high=0.9)
    require_range("surface", (0, defect.surface), "times", low=0)
    require_range("decay", (0.1, defect.decay), "Å", low=0.1)
    require_range("relaxation", defect.relaxation, "Å", low=0, high=0.5)


def _emptied(
    defect: CationVacancies | AnionVacancies, particle: Particle, rng: np.random.Generator, *, counted: bool
) -> Particle:
    """Return the particle with some counted or other sites emptied and their neighbours moved."""
    fraction, step = drawn(as_range(defect.fraction), rng), drawn(defect.relaxation, rng)
    at = np.flatnonzero(particle.occupied & (particle.sites.counted == counted))
    weight = 1 + (defect.surface - 1) * np.exp(-below_surface(particle)[at] / defect.decay)
    chance = fraction * weight / max(weight.sum() / max(len(at), 1), 1e-9)
    empty = at[rng.uniform(size=len(at)) < np.minimum(chance, 0.95)]
    occupied = particle.occupied.copy()
    occupied[empty] = False
    name = type(defect).__name__
    left = refilled(particle, occupied, name) if counted else replace(particle, occupied=occupied)
    moved = gently(left, _around(left, empty, step, counted=counted))
    return noted(moved, name, fraction=fraction, empty=len(empty), relaxation=step)


def _around(
    particle: Particle, empty: Int[np.ndarray, " m"], step: float, *, counted: bool
) -> Float[np.ndarray, "n 3"]:
    """Return how the neighbours of empty sites move: like ones towards them, unlike ones away."""
    from scipy.spatial import cKDTree

    sites = particle.sites
    moved = np.zeros((len(sites), 3))
    holes = sites.positions[empty]
    for like in (True, False):
        others = np.flatnonzero(particle.occupied & ((sites.counted == counted) == like))
        if not len(holes) or not len(others):
            continue
        reach = NEXT * nearest_distance(holes, sites.positions[others])
        tree = cKDTree(sites.positions[others])
        found = cKDTree(holes).sparse_distance_matrix(tree, reach, output_type="coo_matrix")
        away = sites.positions[others[found.col]] - holes[found.row]
        away *= (-step if like else step) / np.linalg.norm(away, axis=1, keepdims=True)
        np.add.at(moved, others[found.col], away)
    return moved
