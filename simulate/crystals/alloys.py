"""Solid solutions: alloys whose elements share one lattice at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nanonet.records import InputError
from simulate.crystals.crystal import Crystal
from simulate.crystals.library import crystal


def solid_solution(fractions: Mapping[str, float]) -> Crystal:
    """Return the alloy of fcc metals whose atoms share the lattice at random.

    Its lattice constant and its surface energies are those of the elements, weighted by their fractions
    (Vegard's law; Pt-Ni lies within 1 % of it).

    Parameters
    ----------
    fractions
        Atomic fraction of each element, which add up to 1.

    Raises
    ------
    InputError
        If they do not, or an element is no built-in fcc metal.
    """
    metals = {symbol: _metal(symbol) for symbol in fractions}
    if not np.isclose(sum(fractions.values()), 1.0) or min(fractions.values()) < 0:
        raise InputError(f"fractions of an alloy must add up to 1, got {dict(fractions)}")
    first = max(fractions, key=lambda symbol: fractions[symbol])
    families = metals[first].surface_energies
    return Crystal(
        name=" ".join(f"{symbol}{fraction:.2f}" for symbol, fraction in fractions.items()),
        cell=sum(share * metals[symbol].lattice_constant for symbol, share in fractions.items()),
        symbols=[first] * 4,
        scaled_positions=metals[first].scaled_positions,
        counted=tuple(fractions),
        surface_energies={
            family: sum(
                share * metals[symbol].surface_energies[family] for symbol, share in fractions.items()
            )
            for family in families
        },
        mixtures={first: dict(fractions)},
    )


def _metal(symbol: str) -> Crystal:
    found = crystal(symbol)
    if len(found.symbols) != 4 or len(found.elements) != 1:
        raise InputError(f"a solid solution is of fcc metals, got {symbol}")
    return found


@dataclass(frozen=True, kw_only=True)
class SolidSolution:
    """Disordered alloys of two fcc metals, of any composition.

    Parameters
    ----------
    elements
        The two.
    fraction
        Lowest and highest atomic fraction of the first.
    """

    elements: Sequence[str] = ("Pt", "Ni")
    fraction: Sequence[float] = (0.2, 0.8)

    def __post_init__(self) -> None:
        if len(self.elements) != 2:
            raise InputError(f"elements of a SolidSolution must be two, got {list(self.elements)}")
        if len(self.fraction) != 2 or not 0 <= self.fraction[0] <= self.fraction[1] <= 1:
            raise InputError(f"fraction must be [lowest, highest] within 0 to 1, got {list(self.fraction)}")
        for symbol in self.elements:
            _metal(symbol)

    @property
    def name(self) -> str:
        """Its elements."""
        return "-".join(self.elements)

    def draw(self, rng: np.random.Generator) -> Crystal:
        """Draw an alloy."""
        share = float(rng.uniform(self.fraction[0], self.fraction[1]))
        return solid_solution({self.elements[0]: share, self.elements[1]: 1 - share})
