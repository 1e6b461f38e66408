"""Particles with other atoms: anions follow, nothing floats, nothing is crowded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int

from nanonet.records import InputError
from simulate.defects.surroundings import crowded
from simulate.structures.changes import follow, neighbours
from simulate.structures.particle import Particle


def refilled(particle: Particle, occupied: Bool[np.ndarray, " n"], kind: str) -> Particle:
    """Return the particle with other counted atoms, its anions after them, and nothing left that floats.

    Raises
    ------
    InputError
        If nothing is left.
    """
    sites = particle.sites
    kept = connected(particle, occupied)
    if not (kept & sites.counted).any():
        raise InputError(f"{kind} leaves nothing of a particle of {sites.crystal.name}: enlarge diameter")
    filled = follow(sites, particle.occupied, kept)
    moved = replace(particle, occupied=filled)
    filled[_newcomers(particle, crowded(moved))] = False  # where displaced atoms leave no room
    return moved


def _newcomers(before: Particle, pairs: Int[np.ndarray, "pairs 2"]) -> Int[np.ndarray, " m"]:
    """Return those sites of the pairs that were not filled before."""
    found = np.unique(pairs)
    return np.asarray(found[~before.occupied[found]])


def connected(particle: Particle, occupied: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Return ``occupied`` without the counted atoms that have lost touch with the largest piece."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    sites = particle.sites
    filled = occupied & sites.counted
    if not filled.any():
        return occupied.copy()
    pairs = neighbours(sites)
    pairs = pairs[filled[pairs].all(axis=1)]
    graph = coo_array((np.ones(len(pairs), dtype=bool), pairs.T), shape=(len(sites), len(sites)))
    pieces = connected_components(graph, directed=False)[1]
    largest = np.bincount(pieces[filled]).argmax()
    return np.asarray(occupied & ~(filled & (pieces != largest)))
