"""Kinetic Monte Carlo: how the atoms of particles move in continuous time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import InputError
from simulate.movies.lattice import World
from simulate.movies.process import Moves, Process
from simulate.structures.changes import follow
from simulate.structures.particle import Particle

MOST_EVENTS = 2_000_000
"""Events of one movie, beyond which a rate must be a mistake."""
ANION_REACH = 1.9
"""An anion is pushed out where an atom of another particle is nearer [Å]: less than any bond of an oxide."""


@dataclass(frozen=True, kw_only=True)
class Events:
    """What happened, in the order of time.

    Parameters
    ----------
    times
        (m,) s.
    kinds
        (m,) gain, loss, hop, vacancy, healing, vacancy_hop.
    numbers
        (m,) atomic number of the atom that moved.
    sources, targets
        (m,) sites, -1 for outside.
    """

    times: Float[np.ndarray, " m"]
    kinds: np.ndarray
    numbers: Int[np.ndarray, " m"]
    sources: Int[np.ndarray, " m"]
    targets: Int[np.ndarray, " m"]

    def __len__(self) -> int:
        return len(self.times)


@dataclass
class Recorder:
    """Takes down events as they happen."""

    rows: list[tuple[float, str, int, int, int]] = field(default_factory=list)

    def add(self, time: float, kind: str, number: int, source: int, target: int) -> None:
        """Take down an event."""
        if len(self.rows) >= MOST_EVENTS:
            raise InputError(
                f"more than {MOST_EVENTS:,} events by {time:.3g} s: lower the rates or the temperature"
            )
        self.rows.append((time, kind, number, source, target))

    def events(self) -> Events:
        """Return all of them."""
        times, kinds, *sites = zip(*self.rows, strict=True) if self.rows else ((),) * 5
        numbers, sources, targets = (np.array(values, dtype=np.int64) for values in sites)
        return Events(
            times=np.array(times, dtype=np.float64),
            kinds=np.array(kinds, dtype="U12"),
            numbers=numbers,
            sources=sources,
            targets=targets,
        )


def advance(
    world: World,
    processes: Sequence[Process],
    span: tuple[float, float],
    rng: np.random.Generator,
    record: Recorder,
) -> bool:
    """Let things happen for a span of time [s], in place (Gillespie, J. Phys. Chem. 81 (1977) 2340).

    Returns
    -------
    changed
        Whether anything happened.
    """
    time, end = span
    begun = len(record.rows)
    while processes:
        moves = [found for process in processes for found in process.moves(world)]
        rates = np.concatenate([found.rates for found in moves])
        climb = np.cumsum(rates)
        if not len(climb) or not climb[-1] > 0:
            break
        time += rng.exponential(1 / climb[-1])
        if time > end:
            break
        chosen = int(np.searchsorted(climb, rng.uniform(0, climb[-1]), side="right"))
        _do(world, moves, min(chosen, int(np.flatnonzero(rates)[-1])), time, record)
    return len(record.rows) > begun


def _do(world: World, moves: Sequence[Moves], chosen: int, time: float, record: Recorder) -> None:
    """Make the move of that place in the row of all moves."""
    for found in moves:
        if chosen < len(found.rates):
            break
        chosen -= len(found.rates)
    source, target = int(found.sources[chosen]), int(found.targets[chosen])
    number = int(world.numbers[source] if source >= 0 else world.lattice.numbers[target])
    if source >= 0:
        world.empty(source)
    if target >= 0:
        world.fill(target, number)
    record.add(time, found.kind, number, source, target)


def settle(
    world: World,
    particles: Sequence[Particle],
    before: Bool[np.ndarray, " n"],
    time: float,
    record: Recorder,
    positions: Float[np.ndarray, "n 3"] | None = None,
) -> None:
    """Let anions follow the counted atoms that came and went, in place; each that does is an event.

    Parameters
    ----------
    before
        (n,) which sites were filled when anions last settled.
    positions
        (n, 3) of all sites where particles touch [Å]: anions that meet the other's atoms then give way.
    """
    counted = world.lattice.counted
    if counted.all():
        return
    settled = world.occupied.copy()
    if (before != world.occupied)[counted].any():
        start = 0
        for particle in particles:
            own = slice(start, start + len(particle.sites))
            old = np.where(counted[own], before[own], world.occupied[own])
            settled[own] = follow(particle.sites, old, world.occupied[own])
            start = own.stop
    if positions is not None:
        settled[_in_the_way(world, settled, positions)] = False
    for site in np.flatnonzero(settled != world.occupied):
        number = int(world.lattice.numbers[site])
        if settled[site]:
            world.fill(int(site), number)
            record.add(time, "gain", number, -1, int(site))
        else:
            world.empty(int(site))
            record.add(time, "loss", number, int(site), -1)


def _in_the_way(
    world: World, occupied: Bool[np.ndarray, " n"], positions: Float[np.ndarray, "n 3"]
) -> Int[np.ndarray, " k"]:
    """Return the anions that are too near to an atom of another particle; of two anions the later one."""
    from scipy.spatial import cKDTree

    at = np.flatnonzero(occupied)
    pairs = at[cKDTree(positions[at]).query_pairs(ANION_REACH, output_type="ndarray").reshape(-1, 2)]
    instances, counted = world.lattice.instances, world.lattice.counted
    pairs = pairs[instances[pairs[:, 0]] != instances[pairs[:, 1]]]
    first, second = pairs.T
    leaving = np.where(counted[second], first, second)
    return np.asarray(np.unique(leaving[~counted[leaving]]))


def filled_at(
    start: Bool[np.ndarray, " n"], numbers: Int[np.ndarray, " n"], events: Events, count: int
) -> tuple[Bool[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Return which sites are filled, and with what, after the first ``count`` events."""
    occupied, numbers = start.copy(), numbers.copy()
    sites = np.stack([events.sources[:count], events.targets[:count]], axis=1).ravel()
    filled = np.tile([False, True], count)
    known = sites >= 0
    occupied[sites[known]] = filled[known]  # of a site that comes twice the last value stays
    came = np.flatnonzero(events.targets[:count] >= 0)
    numbers[events.targets[came]] = events.numbers[came]
    return occupied, numbers
