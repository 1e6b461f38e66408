"""Growth and dissolution: atoms attach to the surface and detach from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nanonet.records import InputError
from simulate.movies.lattice import World
from simulate.movies.process import BOLTZMANN, Moves, gains, losses, require_positive, require_rate


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Atoms attach at every free site of the surface, and detach the slower the more neighbours hold them.

    Each free site is attached to at ``rate``; an atom with n filled neighbours detaches at
    rate · exp(-(driving + (n - kink) · bond_energy) / kT), where a kink has half of the neighbours of the
    bulk: in detailed balance for bond energies in a reservoir (the Kossel crystal; Gilmer & Bennema, J.
    Appl. Phys. 43 (1972) 1347). Without a driving force a flat surface stays and a small particle dissolves.
    Layers nucleate and spread where bond_energy is several kT, surfaces roughen where it is less.

    Parameters
    ----------
    rate
        Atoms that come to each free site [1/s].
    driving
        Chemical potential of the reservoir above that of the crystal [eV]; negative dissolves.
    bond_energy
        eV.
    temperature
        K.
    anchors
        Filled neighbours that a site needs to be attached to.

    Raises
    ------
    InputError
        Once the particle has grown to the end of its sites.
    """

    rate: float = 0.1
    driving: float = 0.2
    bond_energy: float = 0.1
    temperature: float = 600.0
    anchors: int = 3

    def __post_init__(self) -> None:
        require_rate("rate", self.rate)
        require_positive("temperature", self.temperature, "K")
        if not self.bond_energy >= 0:
            raise InputError(f"bond_energy must not be negative, got {self.bond_energy} eV")
        if self.anchors < 1:
            raise InputError(f"anchors must be at least 1, got {self.anchors}")

    def moves(self, world: World) -> Sequence[Moves]:
        """Return where atoms can attach and which can detach."""
        lattice, number = world.lattice, world.coordination
        if (world.occupied & world.edge).any():
            raise InputError(
                "the particle has grown to the end of its sites: give a larger structures.margin [Å], or "
                "let it grow for a shorter time"
            )
        free = lattice.counted & ~world.occupied & (number >= self.anchors) & (world.crowded == 0)
        bound = np.flatnonzero(lattice.counted & world.occupied & (number < lattice.bulk))
        heat = BOLTZMANN * self.temperature
        binding = self.driving + (number[bound] - lattice.bulk / 2) * self.bond_energy
        return [gains(np.flatnonzero(free), self.rate), losses(bound, self.rate * np.exp(-binding / heat))]
