"""A particle in liquid water between graphene sheets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from nanonet.records import InputError
from simulate.environments.graphene import INTERLAYER, graphene_stack
from simulate.environments.surroundings import clear_of, square_corner, surrounded
from simulate.environments.water import water
from simulate.ranges import Range, drawn, require_range
from simulate.specimen import Specimen

CONTACT = 2.6
"""No oxygen of water nearer to an atom of the particle [Å]: longer than a bond of it to a metal (2.3)."""
WALL = 3.2
"""Distance of water's first oxygen atoms from graphene [Å], as X-rays and simulations find it."""


@dataclass(frozen=True, kw_only=True)
class LiquidCell:
    """Water between two windows of graphene, the particle somewhere in it.

    Parameters
    ----------
    liquid
        [lowest, highest] thickness of the water [Å] before and behind the particle taken together: the
        windows lie that much more than the particle's height apart.
    layers
        [fewest, most] graphene sheets of each window; both windows have as many.
    density
        Of the water [g/cm³].
    """

    liquid: Range = (10.0, 60.0)
    layers: tuple[int, int] = (1, 3)
    density: float = 1.0

    def __post_init__(self) -> None:
        require_range("liquid", self.liquid, "Å", low=2 * CONTACT)
        if len(self.layers) != 2 or not 1 <= self.layers[0] <= self.layers[1]:
            raise InputError(f"layers must be [fewest, most], at least 1, got {list(self.layers)}")
        if not 0.1 <= self.density <= 1.3:
            raise InputError(f"density of water must lie in 0.1 to 1.3 g/cm³, got {self.density}")

    def surround(self, specimen: Specimen, side: float, rng: np.random.Generator) -> Specimen:
        """Return the specimen with water and windows; see `simulate.specimen.Environment`."""
        corner = square_corner(specimen, side)
        liquid, layers = drawn(self.liquid, rng), int(rng.integers(self.layers[0], self.layers[1] + 1))
        heights = specimen.atoms.positions[:, 2]
        height = float(np.ptp(heights)) + liquid
        # z of the water's first plane: the particle lies anywhere between the windows.
        first = float(heights.min() - CONTACT - rng.uniform(0, liquid - 2 * CONTACT))
        fill = water(side, height, rng, density=self.density)
        fill.positions += [*corner, first]
        fill = fill[_molecules_clear_of(fill.positions, specimen.atoms.positions)]
        added, strains = fill, list[float]()
        for start in (first - WALL - (layers - 1) * INTERLAYER, first + height + WALL):
            sheets, strain = graphene_stack(side, layers, rng)
            sheets.positions += [*corner, start]
            added, strains = added + sheets, [*strains, strain]
        about = {
            "kind": "liquid cell",
            "liquid": liquid,
            "height": height,
            "layers": layers,
            "density": self.density,
            "molecules": len(fill) // 3,
            "graphene_strains": strains,
        }
        return surrounded(specimen, added, about)


def _molecules_clear_of(
    positions: Float[np.ndarray, "n 3"], particle: Float[np.ndarray, "m 3"]
) -> Bool[np.ndarray, " n"]:
    """Return which atoms are of molecules (O, H, H) that touch no atom of the particle."""
    oxygen = clear_of(positions[::3], particle, CONTACT)
    hydrogen = clear_of(positions, particle, 1.8).reshape(-1, 3).all(axis=1)
    return np.repeat(oxygen & hydrogen, 3)
