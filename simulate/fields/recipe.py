"""Recipes of fields: which particles, how many, how large, how close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nanonet.records import InputError
from simulate.crystals import Crystal, Material, crystal
from simulate.fields.field import Field
from simulate.fields.film import CarbonFilm
from simulate.fields.particle import FieldParticle
from simulate.fields.placing import Crowding, place
from simulate.fields.support import OxideSupport
from simulate.ranges import Range, drawn, limits, log_drawn, require_range
from simulate.structures.faceted import Wulff
from simulate.structures.orientation import Orientation, RandomOrientation
from simulate.structures.rounded import Sphere, Spheroid
from simulate.structures.solids import Shape


@dataclass(frozen=True, kw_only=True)
class LogNormal:
    """Diameters as synthesis and sintering make them: a normal distribution of their logarithm.

    Parameters
    ----------
    median
        [lowest, highest] of the median of a field [Å], drawn uniformly in its logarithm.
    spread
        [lowest, highest] standard deviation of the logarithm.
    """

    median: Range = (30.0, 200.0)
    spread: Range = (0.05, 0.3)

    def __post_init__(self) -> None:
        require_range("median", self.median, "Å", low=1.0)
        require_range("spread", self.spread, "", low=0.0)


@dataclass(frozen=True, kw_only=True)
class Population:
    """Particles that were made together: one material a field, shapes and sizes that vary.

    Parameters
    ----------
    materials
        Formulas of `simulate.crystals`, crystals or alloys.
    shapes
        One drawn a particle, of at most ``kinds`` a field.
    kinds
        Shapes that a field holds, at most.
    diameter
        Their distribution.
    orientation
        How they lie in the beam.
    """

    materials: Sequence[str | Material] = ("Au", "Pt", "Pd", "Ag", "Cu", "Ni", "CeO2")
    shapes: Sequence[Shape] = (Wulff(), Sphere(), Spheroid(elongation=(1.0, 1.3)))
    kinds: int = 2
    diameter: LogNormal = field(default_factory=LogNormal)
    orientation: Orientation = field(default_factory=RandomOrientation)

    def __post_init__(self) -> None:
        if not self.materials or not self.shapes or self.kinds < 1:
            raise InputError("a population needs at least one of materials, of shapes and of kinds")
        for material in self.materials:
            if isinstance(material, str):
                crystal(material)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw what all its particles in one field have in common."""
        material = self.materials[int(rng.integers(len(self.materials)))]
        kinds = rng.choice(len(self.shapes), min(self.kinds, len(self.shapes)), replace=False)
        return Batch(
            crystal=(crystal(material) if isinstance(material, str) else material).draw(rng),
            shapes=tuple(self.shapes[int(i)] for i in kinds),
            median=log_drawn(self.diameter.median, rng),
            spread=drawn(self.diameter.spread, rng),
            orientation=self.orientation,
        )


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A drawn population; see there."""

    crystal: Crystal
    shapes: tuple[Shape, ...]
    median: float
    spread: float
    orientation: Orientation

    def particle(self, bend: float, rng: np.random.Generator) -> FieldParticle:
        """Draw a particle whose lattice turns by at most ``bend`` [rad] over its diameter."""
        # Beyond three standard deviations lies what no batch holds and no frame.
        diameter = self.median * float(np.exp(self.spread * np.clip(rng.standard_normal(), -3, 3)))
        shape = self.shapes[int(rng.integers(len(self.shapes)))]
        solid = shape.solid(self.crystal, diameter, rng)
        pose = self.orientation.draw(self.crystal, solid, rng)
        about_x, about_y = rng.uniform(-bend, bend, 2) / diameter
        return FieldParticle(
            solid=solid,
            crystal=self.crystal,
            rotation=pose.tilt() @ pose.rotation,
            diameter=diameter,
            shape=type(shape).__name__,
            bend=(float(about_x), float(about_y)),
        )


@dataclass(frozen=True, kw_only=True)
class FieldRecipe:
    """What fields are drawn.

    Parameters
    ----------
    populations
        One drawn a field, or two where it is mixed.
    mixed
        Share of the fields that hold two populations.
    count
        [fewest, most] particles in the area of an image, before some find no room.
    crowding
        How close they lie.
    pixel_size
        [lowest, highest] [Å], drawn uniformly in its logarithm as far as ``resolution`` allows.
    resolution
        [fewest, most] pixels over the median diameter.
    shape
        (y, x) pixels.
    film
        None for particles without support.
    bend
        Largest turn of a particle's lattice over its diameter [mrad]: bend contours.
    support
        What the particles lie on, beside or instead of the film; None for nothing.
    """

    populations: Sequence[Population] = (Population(),)
    mixed: float = 0.2
    count: Sequence[int] = (5, 60)
    crowding: Crowding = field(default_factory=Crowding)
    pixel_size: Range = (0.5, 10.0)
    resolution: Range = (8.0, 120.0)
    shape: Sequence[int] = (512, 512)
    film: CarbonFilm | None = field(default_factory=CarbonFilm)
    bend: float = 10.0
    support: OxideSupport | None = None

    def __post_init__(self) -> None:
        require_range("pixel_size", self.pixel_size, "Å", low=0.01)
        require_range("resolution", self.resolution, "pixels", low=1.0)
        if not self.populations:
            raise InputError("a field needs at least one of populations")
        if len(self.shape) != 2 or min(self.shape) < 16:
            raise InputError(f"shape must be [y, x] of at least 16 pixels each, got {list(self.shape)}")
        if len(self.count) != 2 or not 0 <= self.count[0] <= self.count[1]:
            raise InputError(f"count must be [fewest, most], got {list(self.count)}")

    def draw(self, rng: np.random.Generator) -> Field:
        """Draw a field."""
        kinds = 2 if len(self.populations) > 1 and rng.random() < self.mixed else 1
        chosen = rng.choice(len(self.populations), kinds, replace=False)
        batches = [self.populations[int(i)].batch(rng) for i in chosen]
        median = float(np.median([batch.median for batch in batches]))
        pixel_size = self._pixel_size(median, rng)
        shape = (int(self.shape[0]), int(self.shape[1]))
        extent = (shape[0] * pixel_size, shape[1] * pixel_size)
        # As many to the area of image and margin as were asked for in that of the image.
        margin = max(batch.median for batch in batches)
        enlarged = (extent[0] + margin) * (extent[1] + margin) / (extent[0] * extent[1])
        count = round(int(rng.integers(self.count[0], self.count[1] + 1)) * enlarged)
        which = rng.integers(len(batches), size=count)
        particles = [batches[int(i)].particle(1e-3 * self.bend, rng) for i in which]
        return Field(
            particles=place(particles, extent, self.crowding, rng),
            film=None if self.film is None else self.film.draw(max(extent), rng),
            pixel_size=pixel_size,
            shape=shape,
            support=() if self.support is None else self.support.draw(median, extent, rng),
        )

    def _pixel_size(self, diameter: float, rng: np.random.Generator) -> float:
        """Draw a pixel size at which a diameter [Å] is resolved as asked for, or the nearest to that."""
        low, high = limits(self.pixel_size)
        fewest, most = limits(self.resolution)
        pair = np.clip([diameter / most, diameter / fewest], low, high)
        return log_drawn((float(pair[0]), float(pair[1])), rng)
