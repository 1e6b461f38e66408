"""Static disorder: every atom somewhat off its site, more so at the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulate.defects.drawing import Range, noted
from simulate.defects.surroundings import below_surface, gently
from simulate.ranges import drawn, require_range
from simulate.structures.particle import Particle


@dataclass(frozen=True, kw_only=True)
class StaticDisorder:
    """Gaussian displacements, independent from atom to atom.

    Parameters
    ----------
    displacement
        Root mean square along one axis, deep inside [Å].
    surface
        How many times as much at the surface.
    decay
        Depth over which that falls by e [Å].
    """

    # Static mean square displacements of small Pt and Au particles of 1e-3 to 5e-3 Å² (EXAFS: Frenkel, Hills
    # & Nuzzo, J. Phys. Chem. B 105 (2001) 12689).
    displacement: Range = (0.0, 0.05)
    surface: Range = (1.0, 2.0)
    decay: float = 3.0

    def __post_init__(self) -> None:
        require_range("displacement", self.displacement, "Å", low=0, high=0.5)
        require_range("surface", self.surface, "times", low=0, high=10)
        require_range("decay", (0.1, self.decay), "Å", low=0.1)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with its atoms displaced."""
        displacement, surface = drawn(self.displacement, rng), drawn(self.surface, rng)
        size = displacement * (1 + (surface - 1) * np.exp(-below_surface(particle) / self.decay))
        field = size[:, None] * rng.standard_normal((len(size), 3))
        return noted(gently(particle, field), "StaticDisorder", displacement=displacement, surface=surface)
