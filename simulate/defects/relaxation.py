"""Surface relaxation: the outer layers move in, in oxides out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from simulate.defects.drawing import Range, noted
from simulate.defects.surroundings import exposed, gently, outward
from simulate.ranges import drawn, require_range
from simulate.structures.changes import coordination
from simulate.structures.particle import Particle

MOST = 0.25
"""No atom relaxes by more [Å]."""


@dataclass(frozen=True, kw_only=True)
class SurfaceRelaxation:
    """Atoms at the surface move along its normal, the more the fewer neighbours they have, deeper ones less.

    Parameters
    ----------
    metal, oxide
        How far an atom with 9 of 12 neighbours, on {111}, moves out [Å], negative inwards: ``oxide`` where
        there are anions.
    decay
        Depth over which that falls by e [Å].
    """

    # In 3-5 nm gold {111} contracts by 0.05 Å, {100} (8 neighbours) by 0.13, edges (7) by 0.20: Huang et al.,
    # Nature Mater. 7 (2008) 308. It goes about as the cube of the number of missing neighbours.
    metal: Range = (-0.06, -0.02)
    # Surfaces of reduced ceria expand, Ce3+ being larger (Tsunekawa et al., Phys. Rev. Lett. 85 (2000) 3440).
    oxide: Range = (0.0, 0.05)
    decay: Range = (1.5, 3.0)

    def __post_init__(self) -> None:
        require_range("metal", self.metal, "Å", low=-MOST, high=MOST)
        require_range("oxide", self.oxide, "Å", low=-MOST, high=MOST)
        require_range("decay", self.decay, "Å", low=0.1)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with its surface relaxed."""
        first = drawn(self.metal if particle.sites.counted.all() else self.oxide, rng)
        decay = drawn(self.decay, rng)
        moved = gently(particle, _field(particle, first, decay))
        return noted(moved, "SurfaceRelaxation", outwards=first, decay=decay)


def _field(particle: Particle, first: float, decay: float) -> Float[np.ndarray, "n 3"]:
    """Return displacements along the normal, given by the nearest atoms at the surface."""
    from scipy.spatial import cKDTree

    surface = exposed(particle)
    if not len(surface):
        return np.zeros((len(particle.sites), 3))
    number = coordination(particle.sites, particle.occupied)
    full = max(int(number.max()), 1)
    missing = 1 - number[surface] / full
    amount = np.clip(first * (missing / 0.25) ** 3, -MOST, MOST)
    distance, nearest = cKDTree(particle.sites.positions[surface]).query(
        particle.sites.positions, k=min(4, len(surface))
    )
    distance, nearest = distance.reshape(len(number), -1), nearest.reshape(len(number), -1)
    weight = np.exp(-(distance**2) / 2)  # over 1 Å, so that an atom at the surface follows its own
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
    depth = np.exp(-distance[:, 0] / decay)
    return np.asarray(outward(particle) * ((weight * amount[nearest]).sum(axis=1) * depth)[:, None])
