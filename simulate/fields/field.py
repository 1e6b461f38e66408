"""A field: many particles on a film, and what is true of them on the pixels of an image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from simulate.crystals import Crystal
from simulate.fields.film import Film
from simulate.fields.particle import FieldParticle, Outline, outline
from simulate.fields.scattering import number_densities

MARGIN = 64
"""Pixels around an image for which maps are made too: what a lens blurs into the image comes from there."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """Particles on a film, in the frame of their image.

    Parameters
    ----------
    particles
        In no order; their ids are 1, 2, ...
    film
        None for none.
    pixel_size
        Å.
    shape
        (y, x) pixels.
    support
        Grains that the particles lie on: in the image, and in no truth but that of atoms.
    """

    particles: tuple[FieldParticle, ...]
    film: Film | None
    pixel_size: float
    shape: tuple[int, int]
    support: tuple[FieldParticle, ...] = ()

    @property
    def canvas(self) -> tuple[int, int]:
        """(y, x) pixels of the image with its margin."""
        return self.shape[0] + 2 * MARGIN, self.shape[1] + 2 * MARGIN

    def truth(self) -> FieldTruth:
        """Return what is true of it."""
        return FieldTruth(
            field=self,
            outlines=tuple(outline(p, self.pixel_size) for p in self.particles),
            support=tuple(outline(p, self.pixel_size) for p in self.support),
        )


@dataclass(frozen=True, kw_only=True)
class FieldTruth:
    """What is true of each pixel and each particle; particle i has the outline i - 1.

    Positions, areas and diameters are those of whole particles, also where others or the frame hide them.
    """

    field: Field
    outlines: tuple[Outline, ...]
    support: tuple[Outline, ...] = ()

    @property
    def solids(self) -> tuple[tuple[FieldParticle, Outline], ...]:
        """All that the beam passes on the film, particles and the grains that they lie on."""
        return (
            *zip(self.field.particles, self.outlines, strict=True),
            *zip(self.field.support, self.support, strict=True),
        )

    def __len__(self) -> int:
        return len(self.outlines)

    @cached_property
    def labels(self) -> Int[np.ndarray, "y x"]:
        """The particle on every pixel, that which the beam meets first where they overlap; 0 for none."""
        labels = np.zeros(self.field.shape, dtype=np.int32)
        heights = [particle.height for particle in self.field.particles]
        for i in np.argsort(heights, kind="stable")[::-1]:
            image, own = self.outlines[i].clip(self.field.shape)
            labels[image][self.outlines[i].mask[own]] = i + 1
        return labels

    @cached_property
    def layers(self) -> Int[np.ndarray, "y x"]:
        """How many particles lie over one another on every pixel."""
        count = np.zeros(self.field.shape, dtype=np.int32)
        for each in self.outlines:
            image, own = each.clip(self.field.shape)
            count[image] += each.mask[own]
        return count

    @cached_property
    def positions(self) -> Float[np.ndarray, "n 2"]:
        """Centroids (y, x) [Å] of the projected particles."""
        found = [
            np.add(np.argwhere(o.mask).mean(axis=0) if o.mask.any() else 0.0, o.corner) for o in self.outlines
        ]
        return np.array(found, dtype=float).reshape(-1, 2) * self.field.pixel_size

    @cached_property
    def areas(self) -> Float[np.ndarray, " n"]:
        """Projected areas [Å²]."""
        return np.array([o.area for o in self.outlines], dtype=float) * self.field.pixel_size**2

    @cached_property
    def visible(self) -> Float[np.ndarray, " n"]:
        """Share of each particle's area that carries its label."""
        seen = np.bincount(self.labels.ravel(), minlength=len(self) + 1)[1:]
        return np.asarray(seen / np.maximum([o.mask.sum() for o in self.outlines], 1))

    @cached_property
    def overlapped(self) -> Float[np.ndarray, " n"]:
        """Share of each particle's area in the image that other particles lie over or under."""
        shares = []
        for each in self.outlines:
            image, own = each.clip(self.field.shape)
            mask = each.mask[own]
            shares.append((self.layers[image][mask] > 1).mean() if mask.any() else 0.0)
        return np.array(shares, dtype=float)

    @cached_property
    def touches_border(self) -> Bool[np.ndarray, " n"]:
        """Whether the frame cuts a particle, or it reaches the outermost pixels."""
        limits = np.array(self.field.shape)
        ends = [(np.array(o.corner), np.array(o.corner) + o.mask.shape) for o in self.outlines]
        return np.array([bool((low <= 0).any() or (high >= limits).any()) for low, high in ends], dtype=bool)

    def thickness(self) -> Float[np.ndarray, "y x"]:
        """Return the thickness of all particles together [Å]."""
        total = np.zeros(self.field.shape, dtype=np.float32)
        for each in self.outlines:
            image, own = each.clip(self.field.shape)
            total[image] += each.total[own]
        return total

    def thickness_by_crystal(self) -> list[tuple[Crystal, Float[np.ndarray, "y x"]]]:
        """Return the thickness [Å] of each crystal, support included, on the image and its margin."""
        found: dict[int, tuple[Crystal, np.ndarray]] = {}
        for particle, each in self.solids:
            empty = (particle.crystal, np.zeros(self.field.canvas, dtype=np.float32))
            image, own = each.clip(self.field.canvas, MARGIN)
            found.setdefault(id(particle.crystal), empty)[1][image] += each.total[own]
        return list(found.values())

    def atoms_per_area(self) -> dict[str, Float[np.ndarray, "y x"]]:
        """Return the atoms of each element [1/Å²] of film, support and particles, on the image."""
        film, found = self.field.film, dict[str, np.ndarray]()
        if film is not None:
            thickness = film.thickness_map(self.field.canvas, self.field.pixel_size)
            found["C"] = film.density * thickness[MARGIN:-MARGIN, MARGIN:-MARGIN]
        for crystal, canvas in self.thickness_by_crystal():
            thickness = canvas[MARGIN:-MARGIN, MARGIN:-MARGIN]
            for symbol, density in number_densities(crystal).items():
                found[symbol] = found.get(symbol, np.zeros(self.field.shape)) + density * thickness
        return found

    def amodal(self, particle: int) -> Bool[np.ndarray, "y x"]:
        """Return the pixels of the image that particle 1, 2, ... covers, whether seen or not."""
        mask = np.zeros(self.field.shape, dtype=bool)
        image, own = self.outlines[particle - 1].clip(self.field.shape)
        mask[image] = self.outlines[particle - 1].mask[own]
        return mask
