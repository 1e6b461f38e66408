"""Recipes of particles: a crystal cut to a shape, laid into the beam, with the defects that it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool

from nanonet.records import InputError
from simulate.crystals import Material, named
from simulate.ranges import drawn, limits, require_range
from simulate.specimen import Specimen, SpecimenRecipe
from simulate.structures.changes import settle_anions
from simulate.structures.faceted import Wulff
from simulate.structures.lattice import cut
from simulate.structures.mixture import Mixture
from simulate.structures.orientation import Orientation, ZoneAxis
from simulate.structures.particle import Defect, Particle
from simulate.structures.sites import Sites
from simulate.structures.solids import Shape


@dataclass(frozen=True, kw_only=True)
class ParticleRecipe:
    """What particles are drawn; pairs are the lowest and highest value of a uniform distribution.

    Parameters
    ----------
    materials
        Formulas of `simulate.crystals.CRYSTALS`, cif files, crystals or alloys; one drawn a particle.
    shapes
        One drawn a particle.
    orientation
        How it lies in the beam.
    diameter
        Å; what of, each shape says.
    depth
        Counted atoms in the deepest column: two planes across the beam cut the particle to it. None leaves
        it whole.
    defects
        Applied one after the other.
    margin
        How far empty sites reach around the particle [Å], for atoms to come to.
    """

    materials: Sequence[str | Material] = ("CeO2",)
    shapes: Sequence[Shape] = (Wulff(),)
    orientation: Orientation = field(default_factory=ZoneAxis)
    diameter: Sequence[float] = (22.0, 28.0)
    depth: Sequence[int] | None = (2, 9)
    defects: Sequence[Defect] = ()
    margin: float = 4.0

    def __post_init__(self) -> None:
        _require_all(
            "materials", self.materials, (str, Material), "a formula, a cif file, a crystal or an alloy"
        )
        for material in self.materials:
            if isinstance(material, str):
                named(material)
        _require_all("shapes", self.shapes, Shape, "a shape of simulate.structures")
        require_range("diameter", self.diameter, "Å")
        if self.depth is not None:
            require_range("depth", self.depth, "atoms")
        if not self.margin >= 0:
            raise InputError(f"margin must be at least 0 Å, got {self.margin} Å")

    def draw(self, rng: np.random.Generator) -> Specimen:
        """Draw a particle as a specimen, ready for the beam."""
        return make_particle(self, rng).specimen()


def _require_all(name: str, parts: Sequence[Any], kinds: Any, what: str) -> None:
    if isinstance(parts, str) or not parts:
        raise InputError(f"{name} must be a list of at least one, got {parts!r}")
    wrong = [part for part in parts if not isinstance(part, kinds)]
    if wrong:
        raise InputError(f"each of {name} must be {what}, got {wrong[0]!r}")


def make_particle(recipe: SpecimenRecipe, rng: np.random.Generator) -> Particle:
    """Draw a particle on its sites.

    Parameters
    ----------
    recipe
        A `ParticleRecipe`, or a `Mixture` of some.

    Raises
    ------
    InputError
        If the recipe leaves no counted atom, asks for a depth where no zone axis lies along the beam, or is
        no recipe of particles.
    """
    while isinstance(recipe, Mixture):
        recipe = recipe.choose(rng)
    if not isinstance(recipe, ParticleRecipe):
        raise InputError(f"a {type(recipe).__name__} has no lattice sites: give a ParticleRecipe")
    material = recipe.materials[int(rng.integers(len(recipe.materials)))]
    kind = (named(material) if isinstance(material, str) else material).draw(rng)
    shape = recipe.shapes[int(rng.integers(len(recipe.shapes)))]
    diameter = drawn(recipe.diameter, rng)
    solid = shape.solid(kind, diameter, rng)
    pose = recipe.orientation.draw(kind, solid, rng)
    on_axis = pose.zone_axis is not None
    sites, occupied = cut(kind, solid, pose.rotation, margin=recipe.margin, on_axis=on_axis, rng=rng)
    if recipe.depth is not None:
        if not on_axis:
            raise InputError("depth is for particles on a zone axis: give depth=null for others")
        fewest, most = (int(depth) for depth in limits(recipe.depth))
        occupied = cut_to_depth(sites, occupied, int(rng.integers(fewest, most + 1)))
    occupied = settle_anions(sites, occupied)
    if not (occupied & sites.counted).any():
        raise InputError(f"a particle of {kind.name} of {diameter:.1f} Å holds no atom: enlarge diameter")
    about: dict[str, Any] = {
        "shape": type(shape).__name__,
        "diameter": diameter,
        "zone_axis": None if pose.zone_axis is None else list(pose.zone_axis),
        "mistilt_degrees": [float(angle) for angle in np.degrees(pose.mistilt)],
        **solid.about,
    }
    particle = Particle(
        sites=sites,
        occupied=occupied,
        displacements=np.zeros((len(sites), 3)),
        mistilt=pose.tilt(),
        about=about,
    )
    for defect in recipe.defects:
        particle = defect.apply(particle, rng)
    return particle


def cut_to_depth(sites: Sites, occupied: Bool[np.ndarray, " n"], deepest: int) -> Bool[np.ndarray, " n"]:
    """Cut by two planes across the beam, so that the deepest column has that many counted atoms.

    It stays as it is where no column is deeper.
    """
    at = np.flatnonzero(occupied & sites.counted & (sites.columns >= 0))
    heights, columns = sites.positions[at, 2], sites.columns[at]
    same = columns[1:] == columns[:-1]
    if not same.any() or np.unique(columns, return_counts=True)[1].max() <= deepest:
        return occupied
    spacing = float(np.median(np.diff(heights)[same]))
    low = (
        (heights.min() + heights.max()) / 2 - deepest * spacing / 2 - 1e-6
    )  # Å, rounding decides for no atom
    above = heights >= low
    heights, columns = heights[above], columns[above]
    # The site that would be one too many, of whichever column comes to it first, is just cut off.
    surplus = columns[deepest:] == columns[:-deepest]
    high = heights[deepest:][surplus].min() - 1e-6 if surplus.any() else np.inf
    kept = (sites.positions[:, 2] >= low) & (sites.positions[:, 2] < high)
    return np.asarray(occupied & kept)
