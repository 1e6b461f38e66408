"""What can happen to the atoms of a particle next, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int

from nanonet.records import InputError
from simulate.movies.lattice import World

BOLTZMANN = 8.617333e-5
"""eV/K."""


@dataclass(frozen=True, kw_only=True)
class Moves:
    """Things of one kind that can happen next.

    Parameters
    ----------
    kind
        As events.csv calls it: gain, loss, hop, vacancy, healing, vacancy_hop.
    sources
        (n,) site that an atom leaves, -1 where it comes from outside.
    targets
        (n,) site that an atom comes to, -1 where it goes outside.
    rates
        (n,) 1/s.
    """

    kind: str
    sources: Int[np.ndarray, " n"]
    targets: Int[np.ndarray, " n"]
    rates: Float[np.ndarray, " n"]


class Process(Protocol):
    """Something that changes particles, by moves that each have a rate."""

    def moves(self, world: World) -> Sequence[Moves]:
        """Return what can happen next."""


def gains(sites: Int[np.ndarray, " n"], rates: Float[np.ndarray, " n"] | float, kind: str = "gain") -> Moves:
    """Return moves by which atoms come from outside onto sites."""
    none = np.full(len(sites), -1)
    return Moves(kind=kind, sources=none, targets=sites, rates=np.broadcast_to(rates, len(sites)))


def losses(sites: Int[np.ndarray, " n"], rates: Float[np.ndarray, " n"] | float, kind: str = "loss") -> Moves:
    """Return moves by which atoms of sites go outside."""
    none = np.full(len(sites), -1)
    return Moves(kind=kind, sources=sites, targets=none, rates=np.broadcast_to(rates, len(sites)))


def require_rate(name: str, value: float) -> None:
    """Raise where ``value`` is no rate."""
    if not 0 <= value < np.inf:
        raise InputError(f"{name} must not be negative, got {value} 1/s")


def require_positive(name: str, value: float, unit: str) -> None:
    """Raise where ``value`` is not positive."""
    if not 0 < value < np.inf:
        raise InputError(f"{name} must be positive, got {value} {unit}")
