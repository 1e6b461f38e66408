"""Twins: crystals that go on as their mirror image beyond a {111} plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulate.defects.drawing import Range, draw_count, noted
from simulate.defects.planes import (
    Plane,
    bond_vectors,
    draw_plane,
    levels_of,
    plane_above,
    put_together,
    slip_normals,
)
from simulate.ranges import require_range
from simulate.structures.particle import Particle


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A coherent Σ3 {111} twin boundary, or some that are parallel.

    The crystal beyond is turned by 180° about the plane's normal, which in a centrosymmetric crystal is its
    mirror image, shape included, so that facets stay facets and meet in re-entrant edges. In a metal the
    layer of the axis is the mirror plane; in fluorite the boundary is the gap between two anion layers, where
    a mirror would put anions onto anions. Clusters of several grains, faulted crystals and lattices
    other than fcc are left as they are.

    Parameters
    ----------
    count
        Twin boundaries, fewest and most.
    offset
        Where the first one cuts the particle: 0 in the middle, -1 and 1 at the ends.
    spacing
        {111} layers from one boundary to the next.
    edge_on
        Whether to take planes that hold the beam, where the zone axis has any; the columns of a grain that
        leaves the zone axis are -1.
    """

    count: Sequence[int] = (1, 1)
    offset: Range = (-0.4, 0.4)
    spacing: Sequence[int] = (2, 5)
    edge_on: bool = True

    def __post_init__(self) -> None:
        require_range("count", self.count, "boundaries", low=1)
        require_range("offset", self.offset, "of the half width", low=-1, high=1)
        require_range("spacing", self.spacing, "layers", low=1)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the twinned particle."""
        planes: list[Plane] = []
        if bond_vectors(particle.sites) is not None:
            normals = slip_normals(particle.sites, edge_on=self.edge_on)
            plane = draw_plane(particle, normals, self.offset, rng)
            for _ in range(draw_count(self.count, rng)):
                if plane is None:
                    break
                particle = _twinned(particle, plane)
                planes.append(plane)
                plane = _next(particle, plane, draw_count(self.spacing, rng))
        return noted(
            particle,
            "Twin",
            normal=planes[0].normal.tolist() if planes else None,
            heights=[plane.height for plane in planes],
        )


def _twinned(particle: Particle, plane: Plane) -> Particle:
    """Return the particle with all above the plane turned by 180° about the normal through the anchor."""
    turn = 2 * np.outer(plane.normal, plane.normal) - np.eye(3)
    above = plane.above(particle.sites.positions)
    positions, displacements = particle.sites.positions.copy(), particle.displacements.copy()
    positions[above] = (positions[above] - plane.anchor) @ turn.T + plane.anchor
    displacements[above] = displacements[above] @ turn.T
    stays = abs(abs(turn[2, 2]) - 1) < 1e-9
    return put_together(particle, positions, displacements, along_beam=~above | stays)


def _next(particle: Particle, plane: Plane, layers: int) -> Plane | None:
    """Return the plane that lies some layers further on; None where the particle ends before."""
    filled = particle.occupied & particle.sites.counted
    levels = levels_of(particle.sites.positions[filled] @ plane.normal)
    layer = int(np.searchsorted(levels, plane.height)) - 1 + layers
    return plane_above(particle, plane.normal, levels, layer) if layer + 1 < len(levels) else None
