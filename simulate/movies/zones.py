"""The columns of a particle that turns: those along whichever zone axis lies near the beam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from jaxtyping import Float, Int

from nanonet.records import InputError
from simulate.crystals import Crystal, direction, turn_onto_beam
from simulate.movies.motion import Motion
from simulate.structures.particle import Particle
from simulate.truth import group_columns


@dataclass(frozen=True, kw_only=True)
class Zones:
    """Columns along a number of zone axes.

    Parameters
    ----------
    axes
        (a, 3) [uvw], of every pair of opposite directions one.
    directions
        (a, 3) their unit vectors in the crystal's own frame.
    columns
        (a, n) column of each site along each axis; no column of one axis has the number of another's.
    near
        (1,) angle between axis and beam up to which columns are told [degrees].
    """

    axes: Int[np.ndarray, "a 3"]
    directions: Float[np.ndarray, "a 3"]
    columns: Int[np.ndarray, "a n"]
    near: Float[np.ndarray, " 1"]

    def __len__(self) -> int:
        return len(self.axes)

    def nearest(self, rotation: Float[np.ndarray, "3 3"]) -> tuple[int, float]:
        """Return which axis is nearest to the beam, and how far off it is [degrees].

        Parameters
        ----------
        rotation
            From the crystal's own frame to that of the beam.
        """
        turned = self.directions @ rotation.T
        angles = np.degrees(np.arctan2(np.linalg.norm(turned[:, :2], axis=1), np.abs(turned[:, 2])))
        best = int(np.argmin(angles))
        return best, float(angles[best])

    def columns_along(
        self, rotations: Float[np.ndarray, "p 3 3"], instances: Int[np.ndarray, " n"]
    ) -> Int[np.ndarray, " n"]:
        """Return the column of each site of particles of these orientations; -1 off all axes."""
        found = np.full(len(instances), -1, dtype=np.int64)
        for instance, rotation in enumerate(rotations):
            axis, angle = self.nearest(rotation)
            if angle <= float(self.near[0]):
                own = instances == instance
                found[own] = self.columns[axis, own]
        return found


def family(indices: Sequence[int], crystal: Crystal) -> Int[np.ndarray, "a 3"]:
    """Return the directions <uvw> of a cubic crystal, one of each pair of opposite ones; else [uvw] alone."""
    if len(indices) != 3 or not any(indices):
        raise InputError(f"zone_axes must be directions [u, v, w], got {list(indices)}")
    if not np.allclose(crystal.vectors, crystal.vectors[0, 0] * np.eye(3)):
        return np.array([indices], dtype=np.int64)
    found = {
        tuple(sign * index for sign, index in zip(signs, order, strict=True))
        for order in permutations(int(index) for index in indices)
        for signs in product((-1, 1), repeat=3)
    }
    return np.array(sorted(axis for axis in found if axis > (0, 0, 0)), dtype=np.int64)


def zones_of(particles: Sequence[Particle], motion: Motion) -> Zones:
    """Return the columns of particles along the zone axes that a motion asks for."""
    crystal = particles[0].sites.crystal
    axes = np.concatenate([family(indices, crystal) for indices in motion.zone_axes])
    directions = np.stack([direction(axis.tolist(), crystal) for axis in axes])
    columns, first = [], 0
    for along in directions:
        parts = []
        for particle in particles:
            parts.append(_upright(particle, along) + first)
            first = int(parts[-1].max()) + 1
        columns.append(np.concatenate(parts))
    return Zones(
        axes=axes, directions=directions, columns=np.array(columns), near=np.array([float(motion.near)])
    )


def no_zones(sites: int) -> Zones:
    """Return the zones of particles that never turn."""
    return Zones(
        axes=np.zeros((0, 3), dtype=np.int64),
        directions=np.zeros((0, 3)),
        columns=np.zeros((0, sites), dtype=np.int64),
        near=np.zeros(1),
    )


def _upright(particle: Particle, along: Float[np.ndarray, " 3"]) -> Int[np.ndarray, " n"]:
    """Return the columns of the sites along a direction of the crystal."""
    sites = particle.sites
    return group_columns(sites.positions @ sites.rotation @ turn_onto_beam(along).T)
