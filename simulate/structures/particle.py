"""A particle: which sites are filled, how its atoms are displaced, how it lies in the beam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from jaxtyping import Bool, Float

from simulate.specimen import COLUMN, COUNTED, DISPLACEMENT, INSTANCE, Specimen
from simulate.structures.sites import Sites

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, kw_only=True)
class Particle:
    """A particle on its lattice.

    Parameters
    ----------
    occupied
        (n,) of the sites.
    displacements
        (n, 3) static displacement of every site, filled or not, from its ideal position [Å], before the
        mistilt.
    mistilt
        (3, 3) small rotation from the zone axis to the beam, applied last.
    about
        Plain facts: shape, diameter, zone_axis, what defects it has, ...
    """

    sites: Sites
    occupied: Bool[np.ndarray, " n"]
    displacements: Float[np.ndarray, "n 3"]
    mistilt: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))
    about: Mapping[str, Any] = field(default_factory=dict)

    def atoms(self) -> Atoms:
        """Return its atoms around the origin, beam along +z, with the arrays of `simulate.specimen`."""
        from ase import Atoms

        at = self.occupied
        moved = self.sites.positions[at] + self.displacements[at]
        atoms = Atoms(numbers=self.sites.numbers[at], positions=moved @ self.mistilt.T)
        atoms.set_array(COLUMN, self.sites.columns[at])
        atoms.set_array(COUNTED, self.sites.counted[at])
        atoms.set_array(INSTANCE, np.ones(len(atoms), dtype=np.int64))
        atoms.set_array(DISPLACEMENT, self.displacements[at] @ self.mistilt.T)
        return atoms

    def specimen(self) -> Specimen:
        """Return the particle as a specimen, ready for the beam."""
        crystal = self.sites.crystal
        facts = {
            "material": crystal.name,
            "rotation": (self.mistilt @ self.sites.rotation).tolist(),
            "atomic_volume": crystal.atomic_volume,
        }
        return Specimen(
            atoms=self.atoms(),
            thermal_displacements=crystal.thermal_displacements,
            about={**facts, **self.about},
        )


class Defect(Protocol):
    """Something that real particles have and ideal ones have not; its fields are ranges to draw from."""

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with the defect; ``about`` gets what was drawn."""
