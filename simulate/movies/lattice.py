"""The sites that atoms move on, of one particle or of several that touch, and which of them are filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import InputError
from simulate.structures.changes import NEXT, bonds, nearest_distance, neighbours
from simulate.structures.particle import Particle

CROWDED = 0.85
"""Atoms of two lattices are never nearer to each other than this many times the nearest distance."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lattice:
    """The sites of all particles, one after another; n stands for "none" in tables of sites.

    Parameters
    ----------
    numbers
        (n,) atomic number that a site is filled with by an atom from elsewhere.
    columns
        (n,) column of each site, no two particles having one in common; -1 for none.
    counted
        (n,) whether atoms here count for the depth of a column.
    instances
        (n,) the particle of each site, 0, 1, ...
    around
        (n, m) counted sites next to each counted site.
    cations
        (n, k) counted sites that each anion site is bonded to.
    anions
        (n, a) anion sites next to each anion site.
    overlapping
        (n, l) counted sites of other particles too near to a counted site for both to be filled.
    places
        (n, 2) ideal (x, y) [Å] in each particle's own frame, where columns stand upright.
    bulk
        Counted neighbours of a counted site within the crystal.
    """

    numbers: Int[np.ndarray, " n"]
    columns: Int[np.ndarray, " n"]
    counted: Bool[np.ndarray, " n"]
    instances: Int[np.ndarray, " n"]
    around: Int[np.ndarray, "n m"]
    cations: Int[np.ndarray, "n k"]
    anions: Int[np.ndarray, "n a"]
    overlapping: Int[np.ndarray, "n l"]
    places: Float[np.ndarray, "n 2"]
    bulk: int

    def __len__(self) -> int:
        return len(self.numbers)


def make_lattice(particles: Sequence[Particle], positions: Float[np.ndarray, "n 3"] | None = None) -> Lattice:
    """Return the lattice of particles.

    Parameters
    ----------
    positions
        (n, 3) where the sites of all particles lie [Å], where these touch; None keeps them apart.
    """
    sizes = [len(particle.sites) for particle in particles]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    total = int(starts[-1])
    pairs = np.concatenate([neighbours(p.sites) + at for p, at in zip(particles, starts, strict=False)])
    bonded = np.concatenate([bonds(p.sites) + at for p, at in zip(particles, starts, strict=False)])
    anions = np.concatenate([_next_anions(p) + at for p, at in zip(particles, starts, strict=False)])
    counted = np.concatenate([p.sites.counted for p in particles])
    instances = np.repeat(np.arange(len(sizes)), sizes)
    bulk = int(np.bincount(pairs.ravel()).max(initial=0))
    overlapping = np.zeros((0, 2), dtype=np.int64)
    if positions is not None and len(particles) > 1:
        nearest = min(_spacing(particle) for particle in particles)
        touching, overlapping = _between(positions, counted, instances, nearest)
        pairs = np.concatenate([pairs, touching])
    return Lattice(
        numbers=np.concatenate([p.sites.numbers for p in particles]),
        columns=_unique_columns([p.sites.columns for p in particles]),
        counted=counted,
        instances=instances,
        around=_table(np.concatenate([pairs, pairs[:, ::-1]]), total),
        cations=_table(bonded, total),
        anions=_table(np.concatenate([anions, anions[:, ::-1]]), total),
        overlapping=_table(np.concatenate([overlapping, overlapping[:, ::-1]]), total),
        places=np.concatenate([p.sites.positions[:, :2] for p in particles]),
        bulk=bulk,
    )


def _next_anions(particle: Particle) -> Int[np.ndarray, "p 2"]:
    """Return the pairs of anion sites next to each other."""
    from scipy.spatial import cKDTree

    own = np.flatnonzero(~particle.sites.counted)
    if len(own) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    places = particle.sites.positions[own]
    reach = NEXT * nearest_distance(places, places)
    return np.asarray(own[cKDTree(places).query_pairs(reach, output_type="ndarray").reshape(-1, 2)])


def _spacing(particle: Particle) -> float:
    """Return the distance between next counted sites [Å]."""
    own = particle.sites.positions[particle.sites.counted]
    return nearest_distance(own, own)


def _unique_columns(columns: Sequence[Int[np.ndarray, " n"]]) -> Int[np.ndarray, " n"]:
    first, shifted = 0, []
    for ids in columns:
        shifted.append(np.where(ids >= 0, ids + first, -1))
        first += int(ids.max(initial=-1)) + 1
    return np.concatenate(shifted)


def _between(
    positions: Float[np.ndarray, "n 3"],
    counted: Bool[np.ndarray, " n"],
    instances: Int[np.ndarray, " n"],
    nearest: float,
) -> tuple[Int[np.ndarray, "p 2"], Int[np.ndarray, "q 2"]]:
    """Return pairs of counted sites of different particles: next to each other, and too near."""
    from scipy.spatial import cKDTree

    own = np.flatnonzero(counted)
    pairs = own[cKDTree(positions[own]).query_pairs(NEXT * nearest, output_type="ndarray").reshape(-1, 2)]
    pairs = pairs[instances[pairs[:, 0]] != instances[pairs[:, 1]]]
    near = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1) < CROWDED * nearest
    return pairs[~near], pairs[near]


def _table(pairs: Int[np.ndarray, "p 2"], total: int) -> Int[np.ndarray, "n m"]:
    """Return the partners of each site as rows that are filled up with ``total``."""
    pairs = pairs[np.lexsort(pairs.T[::-1])]
    count = np.bincount(pairs[:, 0], minlength=total)
    table = np.full((total, int(count.max(initial=0))), total, dtype=np.int64)
    place = np.arange(len(pairs)) - np.repeat(np.cumsum(count) - count, count)
    table[pairs[:, 0], place] = pairs[:, 1]
    return table


class World:
    """Which sites are filled, and with what; kept up to date as atoms come and go.

    Parameters
    ----------
    lattice
        The sites.
    occupied
        (n,) of them.
    numbers
        (n,) atomic number of the atom at each filled site; None for those of the lattice.

    Attributes
    ----------
    coordination
        (n,) filled counted sites next to each counted site.
    held
        (n,) filled counted sites that each anion site is bonded to.
    crowded
        (n,) filled counted sites of other particles too near to each counted site.
    deepest
        Counted atoms of the deepest column at the start.
    edge
        (n,) empty sites at the start that lack neighbouring sites: what comes to them is at the end of the
        lattice that is known.
    """

    def __init__(
        self,
        lattice: Lattice,
        occupied: Bool[np.ndarray, " n"],
        numbers: Int[np.ndarray, " n"] | None = None,
    ) -> None:
        if not (occupied & lattice.counted).any():
            raise InputError("a particle without counted atoms cannot change: choose another recipe or seed")
        self.lattice = lattice
        self.occupied = occupied.copy()
        self.numbers = (lattice.numbers if numbers is None else numbers).copy()
        filled = np.append(occupied & lattice.counted, False)
        self.coordination = filled[lattice.around].sum(axis=1)
        self.held = filled[lattice.cations].sum(axis=1)
        self.crowded = filled[lattice.overlapping].sum(axis=1)
        upright = lattice.columns[occupied & lattice.counted & (lattice.columns >= 0)]
        self.deepest = int(np.bincount(upright).max(initial=0))
        slots = (lattice.around < len(lattice)).sum(axis=1)
        self.edge = lattice.counted & ~occupied & (slots < lattice.bulk)
        self._anions = _table(_reverse(lattice.cations), len(lattice))

    def fill(self, site: int, number: int) -> None:
        """Put an atom onto an empty site."""
        self.numbers[site] = number
        self._set(site, True)

    def empty(self, site: int) -> None:
        """Take the atom off a site."""
        self._set(site, False)

    def _set(self, site: int, filled: bool) -> None:
        if self.occupied[site] == filled:
            raise ValueError(f"site {site} is {'filled' if filled else 'empty'} already")
        self.occupied[site] = filled
        if self.lattice.counted[site]:
            step = 1 if filled else -1
            self._add(self.coordination, self.lattice.around[site], step)
            self._add(self.crowded, self.lattice.overlapping[site], step)
            self._add(self.held, self._anions[site], step)

    def _add(self, values: Int[np.ndarray, " n"], sites: Int[np.ndarray, " m"], step: int) -> None:
        values[sites[sites < len(self.lattice)]] += step


def _reverse(table: Int[np.ndarray, "n m"]) -> Int[np.ndarray, "p 2"]:
    rows, places = np.nonzero(table < len(table))
    return np.stack([table[rows, places], rows], axis=1)
