"""Vacancies that form, heal and wander: of anions, as in a reduced oxide, or of cations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from simulate.movies.lattice import World
from simulate.movies.process import Moves, gains, losses, require_rate


@dataclass(frozen=True, kw_only=True)
class OxygenVacancies:
    """Anions leave their sites, come back, and let vacancies wander; no metal has any.

    Only sites with more than half of their cations take part: others come and go with the cations. Forming
    and healing balance at a fraction formation / (formation + healing) of those sites.

    Parameters
    ----------
    formation_rate
        At which each anion next to a surface cation leaves [1/s].
    inside
        How many times slower deep inside, where no cation lacks a neighbour; healing slows down likewise.
    healing_rate
        At which each vacancy is filled again [1/s].
    hop_rate
        At which each vacancy goes to one of its next anions, whichever [1/s].
    """

    formation_rate: float = 0.01
    inside: float = 0.1
    healing_rate: float = 0.1
    hop_rate: float = 0.0

    def __post_init__(self) -> None:
        for name in ("formation_rate", "inside", "healing_rate", "hop_rate"):
            require_rate(name, getattr(self, name))

    def moves(self, world: World) -> Sequence[Moves]:
        """Return which anions can leave, come back, and hop into a vacancy."""
        bound = _bound(world)
        filled, vacant = np.flatnonzero(bound & world.occupied), np.flatnonzero(bound & ~world.occupied)
        found = [
            losses(filled, self.formation_rate * self._speed(world, filled), "vacancy"),
            gains(vacant, self.healing_rate * self._speed(world, vacant), "healing"),
        ]
        if self.hop_rate:
            found.append(self._hops(world, bound, vacant))
        return found

    def _speed(self, world: World, sites: Int[np.ndarray, " m"]) -> np.ndarray:
        """Return 1 at the surface, ``inside`` elsewhere."""
        lacking = np.append(world.coordination < world.lattice.bulk, False)
        filled = np.append(world.occupied, False)
        cations = world.lattice.cations[sites]
        return np.where((lacking & filled)[cations].any(axis=1), 1.0, self.inside)

    def _hops(self, world: World, bound: Bool[np.ndarray, " n"], vacant: Int[np.ndarray, " m"]) -> Moves:
        """Return the hops of anions into a vacancy next to them, each direction at the same rate."""
        near = world.lattice.anions[vacant]
        rows, places = np.nonzero(np.append(bound & world.occupied, False)[near])
        sources = near[rows, places]
        rates = np.full(len(sources), self.hop_rate / max(near.shape[1], 1))
        return Moves(kind="vacancy_hop", sources=sources, targets=vacant[rows], rates=rates)


@dataclass(frozen=True, kw_only=True)
class CationVacancies:
    """Counted atoms leave their sites within the particle, and such sites are filled again.

    Parameters
    ----------
    formation_rate, healing_rate
        Of each atom and of each vacancy [1/s].
    neighbours
        Filled neighbours that a site must have: with fewer it is part of the surface.
    """

    formation_rate: float = 0.001
    healing_rate: float = 0.1
    neighbours: int = 9

    def __post_init__(self) -> None:
        require_rate("formation_rate", self.formation_rate)
        require_rate("healing_rate", self.healing_rate)

    def moves(self, world: World) -> Sequence[Moves]:
        """Return which atoms can leave and which vacancies can be filled."""
        within = world.lattice.counted & (world.coordination >= self.neighbours)
        vacant = within & ~world.occupied & (world.crowded == 0)
        return [
            losses(np.flatnonzero(within & world.occupied), self.formation_rate, "vacancy"),
            gains(np.flatnonzero(vacant), self.healing_rate, "healing"),
        ]


def _bound(world: World) -> Bool[np.ndarray, " n"]:
    """Return the anion sites with more than half of their cations."""
    most = world.lattice.cations.shape[1]
    return np.asarray(~world.lattice.counted & (2 * world.held > most))
