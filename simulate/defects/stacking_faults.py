"""Stacking faults: close-packed layers that follow each other in the wrong order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from simulate.defects.drawing import Range, noted, require_chance
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
class StackingFault:
    """A fault on a {111} plane through the whole particle: what lies above is shifted by a/6 <112>.

    Of fcc metals and alloys only: fluorite has no stable fault on {111}. There, and in clusters of several
    grains, nothing happens.

    Parameters
    ----------
    offset
        Where it cuts the particle: 0 in the middle, -1 and 1 at the ends.
    extrinsic
        Chance that a layer is inserted (ABCA|C|BCAB: two shifts on neighbouring planes) rather than
        one missing (ABC|BCA, intrinsic).
    edge_on
        Whether to take planes that hold the beam, where the zone axis has any.
    """

    offset: Range = (-0.4, 0.4)
    extrinsic: float = 0.2
    edge_on: bool = True

    def __post_init__(self) -> None:
        require_range("offset", self.offset, "of the half width", low=-1, high=1)
        require_chance("extrinsic", self.extrinsic)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the faulted particle."""
        vectors = bond_vectors(particle.sites)
        planes: list[Plane] = []
        if vectors is not None and particle.sites.counted.all():
            normals = slip_normals(particle.sites, edge_on=self.edge_on)
            first = draw_plane(particle, normals, self.offset, rng)
            planes = [first] if first is not None else []
            if planes and rng.uniform() < self.extrinsic:
                planes += _following(particle, planes[0])
            for plane in planes:
                shifts = partial_shifts(vectors, plane.normal)
                particle = _shifted(particle, plane, shifts[int(rng.integers(3))])
        return noted(
            particle,
            "StackingFault",
            normal=planes[0].normal.tolist() if planes else None,
            heights=[plane.height for plane in planes],
        )


def partial_shifts(
    vectors: Float[np.ndarray, "12 3"], normal: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "n 3"]:
    """Return the a/6 <112> by which the layers above a {111} plane slip into their other hollows.

    The opposite ones would put atoms on top of atoms (Hirth & Lothe, Theory of Dislocations, 1982, ch. 10).

    Parameters
    ----------
    vectors
        To the 12 neighbours of an atom.
    """
    up = vectors[vectors @ normal > 0.1 * np.linalg.norm(vectors[0])]
    return np.asarray(up - np.outer(up @ normal, normal))


def _following(particle: Particle, plane: Plane) -> list[Plane]:
    """Return the next plane above, if there is one."""
    levels = levels_of(particle.sites.positions[particle.occupied] @ plane.normal)
    layer = int(np.searchsorted(levels, plane.height))
    return [plane_above(particle, plane.normal, levels, layer)] if layer + 1 < len(levels) else []


def _shifted(particle: Particle, plane: Plane, shift: Float[np.ndarray, " 3"]) -> Particle:
    sites = particle.sites
    moved = sites.positions + plane.above(sites.positions)[:, None] * shift
    return put_together(particle, moved, particle.displacements, along_beam=np.ones(len(sites), dtype=bool))
