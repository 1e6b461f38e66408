"""Recipes of populations: kinds of particles, how many of them, how they lie in the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nanonet.records import InputError
from simulate.crystals import Material, crystal
from simulate.fields.field import Field
from simulate.fields.film import CarbonFilm
from simulate.fields.particle import FieldParticle
from simulate.fields.placing import Crowding, place
from simulate.fields.recipe import LogNormal
from simulate.ranges import Range, drawn, log_drawn, require_range
from simulate.structures.orientation import RandomOrientation
from simulate.structures.outliers import Broken, Cut, Fused, Pair
from simulate.structures.solids import Shape, Solid

TRIES = 20


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Particles that are alike: of one material and shape, in any orientation.

    Parameters
    ----------
    name
        What the truth calls them.
    material
        Formula of `simulate.crystals`, a crystal or an alloy; drawn a particle.
    shape
        Its ranges are drawn a particle.
    diameter
        Median and spread are drawn a particle: a range of medians with no spread is uniform in its logarithm.
    share
        Of the population, relative to the other kinds'.
    """

    name: str
    material: str | Material
    shape: Shape
    diameter: LogNormal
    share: float = 1.0

    def __post_init__(self) -> None:
        if not self.share > 0:
            raise InputError(f"share of {self.name} must be positive, got {self.share}")
        if isinstance(self.material, str):
            crystal(self.material)

    def particle(self, shape: Shape, rng: np.random.Generator) -> FieldParticle:
        """Draw a particle at the origin, of the kind's own shape or one that it has become."""
        own = (crystal(self.material) if isinstance(self.material, str) else self.material).draw(rng)
        spread = drawn(self.diameter.spread, rng) * float(np.clip(rng.standard_normal(), -3, 3))
        diameter = log_drawn(self.diameter.median, rng) * float(np.exp(spread))
        solid = shape.solid(own, diameter, rng)
        pose = RandomOrientation().draw(own, solid, rng)
        return FieldParticle(
            solid=solid, crystal=own, rotation=pose.rotation, diameter=diameter, shape=self.name
        )


@dataclass(frozen=True, kw_only=True)
class PopulationRecipe:
    """A population and its images; pairs are the lowest and highest value of a uniform distribution.

    Parameters
    ----------
    kinds
        Of distinct names.
    particles
        Whole ones in all images together; a multinomial draw spreads them over the images.
    images
        How many.
    shape
        (y, x) pixels of each.
    broken, fused
        Share of the particles of which a piece is cut off, and of those that grew together with another of
        their kind.
    cut
        [fewest, most] particles that the frame of an image cuts, besides the whole ones.
    crowding
        How close they lie.
    film
        None for particles without support.
    """

    kinds: Sequence[Kind]
    particles: int = 1337
    images: int = 136
    shape: Sequence[int] = (1024, 1024)
    broken: float = 0.0
    fused: float = 0.0
    cut: Range = (0.0, 3.0)
    crowding: Crowding = field(default_factory=Crowding)
    film: CarbonFilm | None = field(default_factory=CarbonFilm)

    def __post_init__(self) -> None:
        names = [kind.name for kind in self.kinds]
        if not names or len(set(names)) < len(names):
            raise InputError(f"kinds must have distinct names and be at least one, got {names}")
        if self.particles < 1 or self.images < 1:
            raise InputError("a population needs at least one of particles and of images")
        if len(self.shape) != 2 or min(self.shape) < 16:
            raise InputError(f"shape must be [y, x] of at least 16 pixels each, got {list(self.shape)}")
        if min(self.broken, self.fused) < 0 or self.broken + self.fused > 1:
            raise InputError(
                f"broken and fused must be shares, together at most 1, got {self.broken}, {self.fused}"
            )
        require_range("cut", self.cut, "particles", low=0.0)

    def kind(self, name: str) -> Kind:
        """Return the kind of a name.

        Raises
        ------
        InputError
            If there is none.
        """
        for kind in self.kinds:
            if kind.name == name:
                return kind
        raise InputError(f"there is no kind {name!r}; known: {', '.join(kind.name for kind in self.kinds)}")

    def count(self, seed: int, image: int) -> int:
        """Return how many whole particles an image holds."""
        shares = np.full(self.images, 1 / self.images)
        return int(np.random.default_rng([seed, 0, 7]).multinomial(self.particles, shares)[image])

    def draw(self, seed: int, image: int, pixel_size: float) -> Field:
        """Draw the field of an image from [seed, image]; particles that the frame cuts come last.

        Raises
        ------
        InputError
            If the particles find no room.
        """
        rng = np.random.default_rng([seed, image])
        shape = (int(self.shape[0]), int(self.shape[1]))
        extent = (shape[0] * pixel_size, shape[1] * pixel_size)
        particles = [self._particle(rng) for _ in range(self.count(seed, image))]
        inside = _whole(particles, extent, self.crowding, rng)
        return Field(
            particles=(*inside, *self._cut(inside, extent, rng)),
            film=None if self.film is None else self.film.draw(max(extent), rng),
            pixel_size=pixel_size,
            shape=shape,
        )

    def _particle(self, rng: np.random.Generator) -> FieldParticle:
        """Draw a particle of some kind, or an outlier of it."""
        shares = np.array([kind.share for kind in self.kinds])
        kind = self.kinds[int(rng.choice(len(self.kinds), p=shares / shares.sum()))]
        fate = rng.random()
        if fate < self.broken:
            return kind.particle(Broken(shape=kind.shape), rng)
        if fate < self.broken + self.fused:
            return kind.particle(Fused(shape=kind.shape), rng)
        return kind.particle(kind.shape, rng)

    def _cut(
        self, inside: Sequence[FieldParticle], extent: tuple[float, float], rng: np.random.Generator
    ) -> list[FieldParticle]:
        """Draw particles over the frame's edge that are clear of all others; some find no room."""
        placed: list[FieldParticle] = []
        for _ in range(round(drawn(self.cut, rng))):
            particle = self._particle(rng)
            reach = particle.solid.reach
            for _ in range(TRIES):
                along, side = int(rng.integers(2)), float(rng.integers(2))
                position = rng.random(2) * extent
                position[along] = side * extent[along] + rng.uniform(-0.5, 0.5) * reach
                others = [*inside, *placed]
                gaps = [np.hypot(*(position - o.position)) - o.solid.reach - reach for o in others]
                if min(gaps, default=1.0) > 0:
                    y, x = position.tolist()
                    placed.append(replace(particle, position=(y, x), height=-reach))
                    break
        return placed


def _whole(
    particles: Sequence[FieldParticle],
    extent: tuple[float, float],
    crowding: Crowding,
    rng: np.random.Generator,
) -> tuple[FieldParticle, ...]:
    """Place particles whole within a frame [Å]: as far from its edge as the largest reaches."""
    if not particles:
        return ()
    margin = max(particle.solid.reach for particle in particles)
    # `place` also fills a margin around what it is given.
    inner = (extent[0] - 4 * margin, extent[1] - 4 * margin)
    if min(inner) > 0:
        for _ in range(TRIES):
            placed = place(particles, inner, crowding, rng)
            if len(placed) == len(particles):
                shift = 2 * margin
                return tuple(
                    replace(p, position=(p.position[0] + shift, p.position[1] + shift)) for p in placed
                )
    raise InputError(
        f"{len(particles)} particles of up to {2 * margin / 10:.0f} nm find no room in images of "
        f"{extent[0] / 10:.0f} × {extent[1] / 10:.0f} nm: take fewer particles or more pixels"
    )


def state_of(solid: Solid) -> str:
    """Return what became of a particle: whole, broken or fused."""
    return {Cut: "broken", Pair: "fused"}.get(type(solid), "whole")
