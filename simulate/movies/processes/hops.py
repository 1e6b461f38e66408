"""Atoms that hop from site to free neighbouring site: surface diffusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nanonet.records import InputError
from simulate.movies.lattice import World
from simulate.movies.process import BOLTZMANN, Moves, require_positive, require_rate


@dataclass(frozen=True, kw_only=True)
class Hops:
    """Counted atoms hop to free neighbouring sites, the slower the more neighbours hold them.

    The rate to each free site is Arrhenius's with a barrier that grows by ``bond_energy`` with each filled
    neighbour of the site that is left: rate · exp(-(n - bonds) · bond_energy / kT). There and back are then
    in detailed balance for the energy -bond_energy · (number of bonds) (Voter, Phys. Rev. B 34 (1986) 6819,
    for bond counting). Atoms of oxides take their anions along: these settle once the atom has come to rest.

    Parameters
    ----------
    rate
        Hops to each free neighbouring site of an atom with ``bonds`` neighbours [1/s].
    bonds
        See ``rate``; 3 is an adatom on {111} of an fcc lattice.
    bond_energy
        eV.
    temperature
        K. Under a strong beam both are effective values.
    anchors
        Neighbours without which an atom neither hops nor comes to a site, so that none floats away.
    """

    rate: float = 1.0
    bonds: int = 3
    bond_energy: float = 0.1
    temperature: float = 600.0
    anchors: int = 2

    def __post_init__(self) -> None:
        require_rate("rate", self.rate)
        require_positive("temperature", self.temperature, "K")
        if not self.bond_energy >= 0:
            raise InputError(f"bond_energy must not be negative, got {self.bond_energy} eV")
        if self.anchors < 1:
            raise InputError(f"anchors must be at least 1, got {self.anchors}")

    def moves(self, world: World) -> Sequence[Moves]:
        """Return every hop to a free site."""
        lattice = world.lattice
        # An atom that hops leaves the neighbourhood of its target: one more must hold it there.
        free = np.flatnonzero(lattice.counted & ~world.occupied & (world.coordination > self.anchors))
        sources = lattice.around[free]
        filled = np.append(world.occupied, False)[sources]
        rows, places = np.nonzero(filled)
        sources, targets = sources[rows, places], free[rows]
        allowed = (world.coordination[sources] >= self.anchors) & self._uncrowded(world, sources, targets)
        sources, targets = sources[allowed], targets[allowed]
        bonds = world.coordination[sources]
        rates = self.rate * np.exp(-(bonds - self.bonds) * self.bond_energy / (BOLTZMANN * self.temperature))
        return [Moves(kind="hop", sources=sources, targets=targets, rates=rates)]

    def _uncrowded(self, world: World, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return where nothing but the hopping atom itself would be too near to the target."""
        crowd = world.crowded[targets]
        own = (world.lattice.overlapping[targets] == sources[:, None]).sum(axis=1)
        return np.asarray(crowd == own)
