"""A specimen: the atoms that the beam meets, and what is known of each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

COLUMN = "column"
"""Per-atom array: the column that an atom is of, -1 for none."""
COUNTED = "counted"
"""Per-atom array (bool): whether the atom counts for the depth of its column."""
INSTANCE = "instance"
"""Per-atom array: the particle that an atom is of, 1, 2, ...; 0 for support and surroundings."""
DISPLACEMENT = "displacement"
"""Per-atom array (n, 3): static displacement from the ideal lattice site [Å], in the frame of the atoms."""

FOCAL_PLANE = "focal_plane"
"""Key of ``atoms.info`` in a box: the height [Å] that a defocus of 0 focuses, the particle's middle."""


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """Atoms at rest in the frame of the beam, which travels along +z.

    Parameters
    ----------
    atoms
        Without cell, around the origin, with the per-atom arrays that this module names.
    thermal_displacements
        Root mean square displacement along one axis of every element [Å].
    about
        Plain facts for manifest and truth: material, shape, zone_axis, rotation (3 × 3 rows, crystal frame
        to beam frame), mistilt_degrees, defects, ...
    """

    atoms: Atoms
    thermal_displacements: Mapping[str, float]
    about: Mapping[str, Any] = field(default_factory=dict)


class SpecimenRecipe(Protocol):
    """Draws specimens: a particle of a family, the atoms of a file, a field of particles."""

    def draw(self, rng: np.random.Generator) -> Specimen:
        """Draw a specimen."""


class Environment(Protocol):
    """What lies around a particle: a support film, an oxide, a liquid."""

    def surround(self, specimen: Specimen, side: float, rng: np.random.Generator) -> Specimen:
        """Return the specimen with its surroundings, instance 0, column -1.

        Parameters
        ----------
        specimen
            The particle alone, around the origin.
        side
            Edge [Å] of the square box, periodic along x and y and centred on the particle's bounding box,
            that the surroundings must fill seamlessly.
        """
