"""Particles on a zone axis: facets, steps, partly filled columns, vacancies, adatoms, mistilt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from nanonet.records import InputError
from simulate.crystals import crystal, facet_normals, repeat_along
from simulate.sites import Sites, atoms_of, make_sites

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, kw_only=True)
class ParticleRecipe:
    """What particles are drawn; pairs are the lowest and highest value of a uniform distribution.

    Parameters
    ----------
    materials
        Formulas of `simulate.crystals.CRYSTALS`, one drawn a particle.
    zone_axes
        [uvw], one drawn a particle; the particle is turned at random about it.
    diameter
        Distance between opposite {111} facets before they are jittered [Å].
    depth
        Cations in the deepest column: two planes across the beam cut the particle to it.
    facet_jitter
        Standard deviation of each facet's distance from the centre, relative.
    steps
        Number of surface steps on the faces towards and away from the beam, at most.
    partly_filled
        Chance that a column lacks cations at one of its ends.
    adatoms
        Chance that a column bears one more cation.
    cation_vacancies, anion_vacancies
        Fraction of the inner sites that are empty, drawn from zero to this.
    mistilt
        Largest angle between zone axis and beam [degrees]; its direction is random.
    """

    materials: Sequence[str] = ("CeO2",)
    zone_axes: Sequence[Sequence[int]] = ((1, 1, 0),)
    diameter: Sequence[float] = (22.0, 28.0)
    depth: Sequence[int] = (2, 9)
    facet_jitter: float = 0.08
    steps: int = 3
    partly_filled: float = 0.15
    adatoms: float = 0.05
    cation_vacancies: float = 0.02
    anion_vacancies: float = 0.05
    mistilt: float = 0.5

    def __post_init__(self) -> None:
        for name in self.materials:
            crystal(name)
        _require_pair("diameter", self.diameter, "Å")
        _require_pair("depth", self.depth, "cations")
        if not self.zone_axes or any(len(axis) != 3 or not any(axis) for axis in self.zone_axes):
            raise InputError(f"zone_axes must be directions [u, v, w], got {self.zone_axes}")


@dataclass(frozen=True, kw_only=True)
class Particle:
    """A particle: which cation sites are filled, and how it lies in the beam.

    Parameters
    ----------
    occupied
        (n,) of the sites' cations.
    mistilt
        Angles about x and y [rad] by which the zone axis is off the beam.
    """

    sites: Sites
    occupied: Bool[np.ndarray, " n"]
    zone_axis: tuple[int, int, int]
    mistilt: tuple[float, float]
    anion_vacancies: float = 0.0

    def atoms(self) -> Atoms:
        """Return its atoms around the origin, beam along +z, each with its column."""
        atoms = atoms_of(self.sites, self.occupied, self.anion_vacancies)
        atoms.positions = atoms.positions @ _tilt(*self.mistilt).T
        return atoms


def make_particle(recipe: ParticleRecipe, rng: np.random.Generator) -> Particle:
    """Draw a particle.

    Raises
    ------
    InputError
        If the recipe leaves no cation.
    """
    material = crystal(recipe.materials[int(rng.integers(len(recipe.materials)))])
    u, v, w = recipe.zone_axes[int(rng.integers(len(recipe.zone_axes)))]
    diameter = float(rng.uniform(recipe.diameter[0], recipe.diameter[1]))
    sites = make_sites(material, (u, v, w), radius=0.8 * diameter, rng=rng)
    most = int(rng.integers(recipe.depth[0], recipe.depth[1] + 1))
    occupied = _inside_facets(sites, diameter / 2, recipe.facet_jitter, rng)
    occupied = _slab(sites, occupied, most * repeat_along(material, (u, v, w)))
    for _ in range(int(rng.integers(recipe.steps + 1))):
        occupied = _step(sites, occupied, diameter / 2, rng)
    occupied = _ragged_ends(sites, occupied, recipe, rng)
    occupied = occupied & (rng.uniform(size=len(occupied)) >= rng.uniform(0, recipe.cation_vacancies))
    if not occupied.any():
        raise InputError(
            f"a particle of {material.name} of {diameter:.1f} Å holds no cation: enlarge diameter"
        )
    angle, direction = np.radians(rng.uniform(0, recipe.mistilt)), rng.uniform(0, 2 * np.pi)
    return Particle(
        sites=sites,
        occupied=occupied,
        zone_axis=(u, v, w),
        mistilt=(float(angle * np.cos(direction)), float(angle * np.sin(direction))),
        anion_vacancies=float(rng.uniform(0, recipe.anion_vacancies)),
    )


def _inside_facets(
    sites: Sites, radius: float, jitter: float, rng: np.random.Generator
) -> Bool[np.ndarray, " n"]:
    """Return which cations lie within facets at Wulff's distances, each moved at random."""
    occupied = np.ones(len(sites.cations), dtype=bool)
    for family, energy in sites.crystal.surface_energies.items():
        normals = facet_normals(family) @ sites.rotation.T
        distances = radius * energy * (1 + jitter * rng.standard_normal(len(normals)))
        occupied &= (sites.cations @ normals.T <= distances).all(axis=1)
    return occupied


def _slab(sites: Sites, occupied: Bool[np.ndarray, " n"], thickness: float) -> Bool[np.ndarray, " n"]:
    """Cut to a slab across the beam; half open, so that ``thickness`` / repeat is the deepest column."""
    heights = sites.cations[:, 2]
    if not occupied.any():
        return occupied
    middle = (heights[occupied].min() + heights[occupied].max()) / 2
    low = middle - thickness / 2 - 1e-6  # Å, so that rounding decides for no atom
    return np.asarray(occupied & (heights >= low) & (heights < low + thickness))


def _step(
    sites: Sites, occupied: Bool[np.ndarray, " n"], radius: float, rng: np.random.Generator
) -> Bool[np.ndarray, " n"]:
    """Take one to three layers off one side of a random line, on the entrance or the exit face."""
    if not occupied.any():
        return occupied
    heights = sites.cations[:, 2] * rng.choice([-1.0, 1.0])
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.6) * radius
    beyond = sites.cations[:, :2] @ [np.cos(angle), np.sin(angle)] > offset
    layers = np.unique(np.round(heights[occupied], 2))
    keep_below = layers[-min(int(rng.integers(1, 4)), len(layers))] - 0.1
    return np.asarray(occupied & ~(beyond & (heights > keep_below)))


def _ragged_ends(
    sites: Sites, occupied: Bool[np.ndarray, " n"], recipe: ParticleRecipe, rng: np.random.Generator
) -> Bool[np.ndarray, " n"]:
    """Take cations off the ends of some columns and put one onto the ends of others."""
    occupied = occupied.copy()
    for column in np.unique(sites.columns[occupied]):
        change = rng.uniform()
        if change < recipe.partly_filled:
            for _ in range(int(rng.geometric(0.5))):
                change_end(sites, occupied, column, gain=False, at_exit=bool(rng.integers(2)))
        elif change > 1 - recipe.adatoms:
            change_end(
                sites,
                occupied,
                column,
                gain=True,
                at_exit=bool(rng.integers(2)),
                deepest=recipe.depth[1],
            )
    return occupied


def change_end(
    sites: Sites,
    occupied: Bool[np.ndarray, " n"],
    column: int,
    *,
    gain: bool,
    at_exit: bool,
    deepest: int | None = None,
) -> bool:
    """Fill the next site at an end of a column, or empty its last one, in place.

    Parameters
    ----------
    occupied
        Changed in place.
    gain
        Whether a cation comes (or goes).
    at_exit
        Whether at the exit face (larger z).
    deepest
        Cations that a column may hold.

    Returns
    -------
    changed
        False where there is no such site.
    """
    bounds = sites.bounds(column)
    filled = np.flatnonzero(occupied[bounds])
    if not len(filled) or (gain and deepest is not None and len(filled) >= deepest):
        return False
    end = int(filled[-1] if at_exit else filled[0])
    site = end + (1 if at_exit else -1) if gain else end
    if not 0 <= site < bounds.stop - bounds.start:
        return False
    occupied[bounds.start + site] = gain
    return True


def _tilt(about_x: float, about_y: float) -> Float[np.ndarray, "3 3"]:
    """Return the rotation by a small angle about an axis in the image plane (Rodrigues)."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_rotvec([about_x, about_y, 0.0]).as_matrix())


def _require_pair(name: str, pair: Sequence[float], unit: str) -> None:
    if len(pair) != 2 or not 0 < pair[0] <= pair[1]:
        raise InputError(f"{name} must be [lowest, highest] with 0 < lowest <= highest, got {pair} {unit}")
