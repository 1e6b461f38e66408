"""Core-shell particles: another element near the surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nanonet.records import InputError
from simulate.crystals import Crystal, thermal_displacement
from simulate.ranges import drawn, require_range
from simulate.structures.particle import Particle


@dataclass(frozen=True, kw_only=True)
class CoreShell:
    """Give the atoms near the surface, or all others, another element; it is no defect, and comes first.

    The shell lies on the core's lattice, and is strained by it.

    Parameters
    ----------
    core, shell
        Element of either; None leaves what the crystal has there.
    thickness
        Of the shell [Å], lowest and highest: a layer of {111} is 2.3 Å in most metals.
    """

    core: str | None = None
    shell: str | None = "Pt"
    thickness: Sequence[float] = (2.5, 6.0)

    def __post_init__(self) -> None:
        from ase.data import atomic_numbers

        require_range("thickness", self.thickness, "Å", low=0.0)
        for element in (self.core, self.shell):
            if element is not None and element not in atomic_numbers:
                raise InputError(f"core and shell must be chemical elements, got '{element}'")

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with a shell."""
        from ase.data import atomic_numbers
        from scipy.spatial import cKDTree

        sites, thickness = particle.sites, drawn(self.thickness, rng)
        metal = sites.counted
        empty = metal & ~particle.occupied
        away = cKDTree(sites.positions[empty]).query(sites.positions)[0]
        # The first layer of atoms lies one bond from the nearest empty site, and its middle is at half of it.
        bond = float(np.partition(away[metal & particle.occupied], 0)[0])
        outer = metal & (away <= bond / 2 + thickness)
        numbers = sites.numbers.copy()
        for element, where in ((self.shell, outer), (self.core, metal & ~outer)):
            if element is not None:
                numbers[where] = atomic_numbers[element]
        kind = _with_elements(sites.crystal, [element for element in (self.core, self.shell) if element])
        about = {**particle.about, "shell": self.shell, "core": self.core, "shell_angstrom": thickness}
        return replace(particle, sites=replace(sites, numbers=numbers, crystal=kind), about=about)


def _with_elements(crystal: Crystal, elements: Sequence[str]) -> Crystal:
    """Return the crystal with elements that it may also hold, which count for the depth of columns."""
    more = {element: thermal_displacement(element) for element in elements}
    return replace(
        crystal,
        counted=tuple(dict.fromkeys([*crystal.counted, *elements])),
        thermal_displacements={**more, **crystal.thermal_displacements},
    )
