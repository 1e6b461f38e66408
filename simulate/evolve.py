"""How a particle's surface changes with time: columns at its rim gain and lose cations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from simulate.sites import Sites
from simulate.structures import Particle, change_end


def evolve(
    particle: Particle, *, gains: float, losses: float, states: int, rng: np.random.Generator
) -> list[Particle]:
    """Return the states of a particle whose surface columns gain and lose cations.

    Parameters
    ----------
    gains, losses
        Mean number of cations that a surface column gains and loses from one state to the next; the
        numbers are Poisson's.
    states
        Their number, the first being the particle as it is.
    """
    deepest = max(int(np.bincount(particle.sites.columns[particle.occupied]).max()), 1)
    history = [particle]
    while len(history) < states:
        occupied = history[-1].occupied.copy()
        change_surface(particle.sites, occupied, gains=gains, losses=losses, deepest=deepest, rng=rng)
        history.append(replace(particle, occupied=occupied))
    return history


def change_surface(
    sites: Sites,
    occupied: Bool[np.ndarray, " n"],
    *,
    gains: float,
    losses: float,
    deepest: int,
    rng: np.random.Generator,
) -> None:
    """Let the surface columns gain and lose cations once, in place; none grows beyond ``deepest``."""
    for column in _surface(sites, occupied):
        for _ in range(rng.poisson(losses)):
            change_end(sites, occupied, column, gain=False, at_exit=bool(rng.integers(2)))
        for _ in range(rng.poisson(gains)):
            at_exit = bool(rng.integers(2))
            if not occupied[sites.bounds(column)].any():
                _found(sites, occupied, column)
            else:
                change_end(sites, occupied, column, gain=True, at_exit=at_exit, deepest=deepest)


def _surface(sites: Sites, occupied: Bool[np.ndarray, " n"]) -> list[int]:
    """Return columns that lack a neighbour, and empty ones of which most neighbours are filled."""
    filled = np.bincount(sites.columns, weights=occupied) > 0
    near = _neighbours(sites)
    most = max(len(columns) for columns in near)
    count = np.array([filled[columns].sum() for columns in near])
    rim = (filled & (count < most)) | (~filled & (count >= most / 2))
    return [int(column) for column in np.flatnonzero(rim)]


def _neighbours(sites: Sites) -> list[list[int]]:
    """Return the columns next to each column: those within 1.2 of the shortest projected distance."""
    from scipy.spatial import cKDTree

    tree = cKDTree(_places(sites))
    shortest = float(np.median(tree.query(tree.data, k=2)[0][:, 1]))
    found = tree.query_ball_point(tree.data, 1.2 * shortest)
    return [[other for other in others if other != own] for own, others in enumerate(found)]


def _places(sites: Sites) -> Float[np.ndarray, "column 2"]:
    """Return where each column projects to, (x, y) [Å]."""
    first = np.unique(sites.columns, return_index=True)[1]
    return sites.cations[first, :2]


def _found(sites: Sites, occupied: Bool[np.ndarray, " n"], column: int) -> None:
    """Put the first cation of a new column where it touches most of the particle."""
    from scipy.spatial import cKDTree

    bounds = sites.bounds(column)
    bond = 1.05 * sites.crystal.lattice_constant / np.sqrt(2)  # next cations of a face-centred lattice
    bonded = cKDTree(sites.cations[occupied]).query_ball_point(sites.cations[bounds], bond)
    occupied[bounds.start + int(np.argmax([len(others) for others in bonded]))] = True
