"""An oxide that catalysts lie on: grains in heaps, seen in the image and no particles of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nanonet.records import InputError
from simulate.crystals import Material, crystal
from simulate.fields.particle import FieldParticle
from simulate.fields.placing import Crowding, place
from simulate.ranges import Range, drawn, log_drawn, require_range
from simulate.structures.faceted import Wulff
from simulate.structures.orientation import RandomOrientation
from simulate.structures.rounded import Sphere, Spheroid
from simulate.structures.solids import Shape

_MOST = 400
"""Grains of a support."""


@dataclass(frozen=True, kw_only=True)
class OxideSupport:
    """Grains that touch and lie over each other, of one oxide in a field.

    Parameters
    ----------
    chance
        Share of the fields that have one.
    materials
        Formulas of `simulate.crystals`, or crystals.
    amorphous
        Share of the supports whose grains diffract nothing.
    shapes
        One drawn a support.
    diameter
        [lowest, highest] median diameter of the grains, in diameters of the field's particles; drawn
        uniformly in its logarithm.
    spread
        [lowest, highest] standard deviation of the logarithm of the diameters.
    coverage
        [lowest, highest] area of the grains over that of the image; what overlaps counts twice.
    """

    chance: float = 0.5
    materials: Sequence[str | Material] = ("MgO", "TiO2", "CeO2")
    amorphous: float = 0.5
    shapes: Sequence[Shape] = (Sphere(), Spheroid(elongation=(1.0, 2.0)), Wulff())
    diameter: Range = (2.0, 12.0)
    spread: Range = (0.1, 0.4)
    coverage: Range = (0.2, 1.2)

    def __post_init__(self) -> None:
        if not self.materials or not self.shapes:
            raise InputError("a support needs at least one of materials and of shapes")
        for name in ("chance", "amorphous"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must be in 0..1, got {getattr(self, name)}")
        require_range("diameter", self.diameter, "diameters of a particle", low=0.1)
        require_range("spread", self.spread, "", low=0.0)
        require_range("coverage", self.coverage, "of the image", low=0.0)

    def draw(
        self, median: float, extent: tuple[float, float], rng: np.random.Generator
    ) -> tuple[FieldParticle, ...]:
        """Draw the grains about an image.

        Parameters
        ----------
        median
            Diameter of the field's particles [Å].
        extent
            (y, x) of the image [Å].
        """
        if rng.random() >= self.chance:
            return ()
        material = self.materials[int(rng.integers(len(self.materials)))]
        oxide = (crystal(material) if isinstance(material, str) else material).draw(rng)
        shape = self.shapes[int(rng.integers(len(self.shapes)))]
        amorphous = bool(rng.random() < self.amorphous)
        typical, spread = median * log_drawn(self.diameter, rng), drawn(self.spread, rng)
        # Around the image there are as many as in it.
        area = (extent[0] + typical) * (extent[1] + typical) * drawn(self.coverage, rng)
        count = min(1 + round(area / (np.pi / 4 * typical**2)), _MOST)
        grains = []
        for _ in range(count):
            diameter = typical * float(np.exp(spread * np.clip(rng.standard_normal(), -3, 3)))
            solid = shape.solid(oxide, diameter, rng)
            pose = RandomOrientation().draw(oxide, solid, rng)
            grains.append(
                FieldParticle(
                    solid=solid,
                    crystal=oxide,
                    rotation=pose.tilt() @ pose.rotation,
                    diameter=diameter,
                    shape=type(shape).__name__,
                    amorphous=amorphous,
                )
            )
        heap = Crowding(clustered=(0.8, 1.0), overlap=(0.05, 0.6))
        return place(grains, extent, heap, rng)
