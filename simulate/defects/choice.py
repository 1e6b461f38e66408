"""Defects that a particle has only sometimes, or one instead of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nanonet.records import InputError
from simulate.defects.drawing import require_chance
from simulate.structures.particle import Defect, Particle


@dataclass(frozen=True, kw_only=True)
class Sometimes:
    """A defect that a particle has with some chance.

    Parameters
    ----------
    defect
        Which.
    chance
        That the particle has it.
    """

    defect: Defect
    chance: float = 0.5

    def __post_init__(self) -> None:
        require_chance("chance", self.chance)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with the defect or as it is."""
        return self.defect.apply(particle, rng) if rng.uniform() < self.chance else particle


@dataclass(frozen=True, kw_only=True)
class OneOf:
    """One of some defects, each as likely.

    Parameters
    ----------
    defects
        Which.
    """

    defects: Sequence[Defect]

    def __post_init__(self) -> None:
        if not self.defects:
            raise InputError("defects must hold at least one defect, got none")

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with the one drawn."""
        return self.defects[int(rng.integers(len(self.defects)))].apply(particle, rng)
