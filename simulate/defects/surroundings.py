"""What surrounds each atom of a particle: how deep it lies, which way is out, whether others crowd it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from simulate.structures.changes import coordination, nearest_distance
from simulate.structures.particle import Particle

CLOSEST = 0.75
"""No two atoms come closer than this many times the nearest distance of their kinds in the crystal."""
EXPOSED = 0.75
"""A counted atom with up to this share of its neighbours is at the surface: 9 of 12 on {111}, while the
neighbours of a vacancy inside keep 11."""


def exposed(particle: Particle) -> Int[np.ndarray, " m"]:
    """Return the filled counted sites at the surface."""
    number = coordination(particle.sites, particle.occupied)
    filled = particle.occupied & particle.sites.counted
    full = int(coordination(particle.sites, np.ones_like(filled)).max(initial=1))
    return np.flatnonzero(filled & (number <= EXPOSED * full))


def below_surface(particle: Particle) -> Float[np.ndarray, " n"]:
    """Return how far each site is from the nearest counted atom at the surface [Å], 0 on it."""
    from scipy.spatial import cKDTree

    surface = exposed(particle)
    if not len(surface):
        return np.full(len(particle.sites), np.inf)
    return np.asarray(cKDTree(particle.sites.positions[surface]).query(particle.sites.positions)[0])


def outward(particle: Particle, *, reach: float = 6.0) -> Float[np.ndarray, "n 3"]:
    """Return the unit vector out of the particle at each site: away from the mean of the atoms around it.

    Parameters
    ----------
    reach
        Distance up to which atoms count as being around [Å].
    """
    from scipy.spatial import cKDTree

    positions = particle.sites.positions
    filled = positions[particle.occupied & particle.sites.counted]
    around = cKDTree(filled).query_ball_point(positions, reach)
    middle = np.array(
        [filled[near].mean(axis=0) if near else filled.mean(axis=0) for near in around]
    ).reshape(-1, 3)
    away = positions - middle
    return np.asarray(away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9))


def crowded(particle: Particle, *, closest: float = CLOSEST) -> Int[np.ndarray, "pairs 2"]:
    """Return the pairs of filled sites whose atoms are too close to each other.

    Parameters
    ----------
    closest
        Times the nearest distance in the crystal of two counted atoms, of two others, or of one of each.
    """
    from scipy.spatial import cKDTree

    at = np.flatnonzero(particle.occupied)
    kinds = particle.sites.counted[at].astype(int)
    limits = closest * _distances(particle)
    tree = cKDTree((particle.sites.positions + particle.displacements)[at])
    pairs = tree.query_pairs(limits.max(), output_type="ndarray").reshape(-1, 2)
    apart = np.linalg.norm(tree.data[pairs[:, 0]] - tree.data[pairs[:, 1]], axis=1)
    near = apart < limits[kinds[pairs[:, 0]], kinds[pairs[:, 1]]]
    return np.asarray(at[pairs[near]], dtype=np.int64)


def _distances(particle: Particle) -> Float[np.ndarray, "2 2"]:
    """Return the nearest distances in the crystal between others (0) and counted atoms (1) [Å]."""
    places = [particle.sites.positions[particle.sites.counted == kind] for kind in (False, True)]
    found = np.zeros((2, 2))
    for one in (0, 1):
        for other in (0, 1):
            if len(places[one]) > 1 and len(places[other]) > 1:
                found[one, other] = nearest_distance(places[one], places[other])
    return found


def gently(particle: Particle, field: Float[np.ndarray, "n 3"]) -> Particle:
    """Return the particle displaced by a field [Å], less so where atoms would crowd each other."""
    scale = np.ones(len(field))
    for _ in range(12):
        moved = replace(particle, displacements=particle.displacements + scale[:, None] * field)
        pairs = crowded(moved)
        if not len(pairs):
            return moved
        scale[pairs.ravel()] *= 0.5
    return particle


def all_gently(particle: Particle, field: Float[np.ndarray, "n 3"]) -> Particle:
    """Return the particle displaced by a field [Å], by less of it everywhere if atoms would be crowded."""
    for scale in (1.0, 0.5, 0.25, 0.125):
        moved = replace(particle, displacements=particle.displacements + scale * field)
        if not len(crowded(moved)):
            return moved
    return particle


def uncrowded(particle: Particle) -> Bool[np.ndarray, " n"]:
    """Return the filled sites less as many as it takes for none to be crowded, anions first."""
    occupied = particle.occupied.copy()
    pairs = crowded(particle)
    while len(pairs):
        clashes = np.bincount(pairs.ravel(), minlength=len(occupied)).astype(float)
        clashes[~particle.sites.counted & (clashes > 0)] += 0.5
        occupied[clashes.argmax()] = False
        pairs = pairs[occupied[pairs].all(axis=1)]
    return np.asarray(occupied)
