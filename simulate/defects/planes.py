"""Close-packed planes on which a crystal twins or slips, and particles put together anew beside one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from simulate.crystals import facet_normals
from simulate.defects.drawing import Range
from simulate.ranges import drawn
from simulate.structures.changes import neighbours
from simulate.structures.particle import Particle
from simulate.structures.sites import Sites
from simulate.truth import group_columns


@dataclass(frozen=True, kw_only=True)
class Plane:
    """A plane half-way between two close-packed layers of counted sites.

    Parameters
    ----------
    normal
        Unit vector in the frame of the beam.
    height
        Distance from the origin along it [Å].
    anchor
        A counted site of the layer below the plane, near the middle of the particle.
    """

    normal: Float[np.ndarray, " 3"]
    height: float
    anchor: Float[np.ndarray, " 3"]

    def above(self, positions: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return what lies on the side that the normal points to."""
        return np.asarray(positions @ self.normal > self.height)


def bond_vectors(sites: Sites) -> Float[np.ndarray, "12 3"] | None:
    """Return the vectors to the 12 neighbours of a counted site; None where sites are no one fcc lattice.

    Clusters of several grains, and crystals that have a fault already, are not.
    """
    from scipy.spatial import cKDTree

    first, second = neighbours(sites).T
    if not len(first):
        return None
    starts = np.concatenate([first, second])
    vectors = sites.positions[np.concatenate([second, first])] - sites.positions[starts]
    number = np.bincount(starts, minlength=len(sites))
    own = vectors[starts == number.argmax()]
    if len(own) != 12:
        return None
    tolerance = 0.1 * float(np.linalg.norm(own, axis=1).mean())
    astray = cKDTree(own).query(vectors)[0].max() > tolerance
    # A hexagonal neighbourhood has 12 neighbours too, but not the opposite of each.
    hexagonal = cKDTree(own).query(-own)[0].max() > tolerance
    return None if astray or hexagonal else np.asarray(own)


def slip_normals(sites: Sites, *, edge_on: bool) -> Float[np.ndarray, "n 3"]:
    """Return the normals of the {111} planes in the frame of the beam.

    Parameters
    ----------
    edge_on
        Take only planes that hold the beam; where the zone axis has none, those across the beam, on both
        sides of which columns go on; else all.
    """
    normals = facet_normals((1, 1, 1)) @ sites.rotation.T
    if not edge_on or not (sites.columns >= 0).any():
        return np.asarray(normals)
    for wanted in (0.0, 1.0):
        chosen = np.abs(np.abs(normals[:, 2]) - wanted) < 1e-6
        if chosen.any():
            return np.asarray(normals[chosen])
    return np.asarray(normals)


def draw_plane(
    particle: Particle, normals: Float[np.ndarray, "n 3"], offset: Range, rng: np.random.Generator
) -> Plane | None:
    """Return a plane of one of the normals; None where the particle has but one layer.

    Parameters
    ----------
    offset
        Where it cuts the particle: 0 in the middle, -1 and 1 at the ends.
    """
    normal = normals[int(rng.integers(len(normals)))]
    filled = particle.occupied & particle.sites.counted
    levels = levels_of(particle.sites.positions[filled] @ normal)
    if len(levels) < 2:
        return None
    middle, half = (levels[0] + levels[-1]) / 2, (levels[-1] - levels[0]) / 2
    below = int(np.abs(levels[:-1] + np.diff(levels) / 2 - (middle + drawn(offset, rng) * half)).argmin())
    return plane_above(particle, normal, levels, below)


def plane_above(
    particle: Particle, normal: Float[np.ndarray, " 3"], levels: Float[np.ndarray, " m"], layer: int
) -> Plane:
    """Return the plane between a layer and the next."""
    sites = particle.sites
    filled = particle.occupied & sites.counted
    own = sites.positions[sites.counted & (np.abs(sites.positions @ normal - levels[layer]) < 0.1)]
    centre = sites.positions[filled].mean(axis=0)
    anchor = own[np.linalg.norm(own - centre, axis=1).argmin()]
    return Plane(normal=normal, height=float(levels[layer : layer + 2].mean()), anchor=anchor)


def levels_of(heights: Float[np.ndarray, " n"], *, tolerance: float = 0.2) -> Float[np.ndarray, " m"]:
    """Return the heights of layers [Å], lowest first: values within ``tolerance`` are one layer."""
    ordered = np.sort(heights)
    parts = np.split(ordered, 1 + np.flatnonzero(np.diff(ordered) > tolerance))
    return np.array([part.mean() for part in parts])


def put_together(
    particle: Particle,
    positions: Float[np.ndarray, "n 3"],
    displacements: Float[np.ndarray, "n 3"],
    *,
    along_beam: Bool[np.ndarray, " n"],
) -> Particle:
    """Return the particle with its ideal sites elsewhere, in columns numbered anew.

    Parameters
    ----------
    along_beam
        Whether the lattice around a site still has lines along the beam: if not, its column is -1.
    """
    sites = particle.sites
    kept = along_beam & (sites.columns >= 0)
    columns = np.full(len(sites), -1, dtype=np.int64)
    columns[kept] = group_columns(positions[kept])
    order = np.lexsort((positions[:, 2], columns))
    moved = replace(sites, positions=positions)
    return replace(
        particle,
        sites=replace(_permuted(moved, order), columns=columns[order]),
        occupied=particle.occupied[order],
        displacements=displacements[order],
    )


def _permuted(sites: Sites, order: Int[np.ndarray, " n"]) -> Sites:
    rows: Sequence[str] = ("positions", "numbers", "columns", "counted", "luck")
    return replace(sites, **{name: getattr(sites, name)[order] for name in rows})
