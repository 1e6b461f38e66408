"""Put atoms around a particle: what every environment has in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from nanonet.records import InputError
from simulate.crystals.displacements import thermal_displacement
from simulate.specimen import COLUMN, COUNTED, DISPLACEMENT, INSTANCE, Specimen

if TYPE_CHECKING:
    from ase import Atoms


def square_corner(specimen: Specimen, side: float) -> Float[np.ndarray, " 2"]:
    """Return the corner (x, y) [Å] of the box that is centred on the particle's bounding box.

    Raises
    ------
    InputError
        If the particle is as large as the box.
    """
    positions = specimen.atoms.positions[:, :2]
    if not len(positions):
        raise InputError("a specimen without atoms has no place for surroundings")
    low, high = positions.min(axis=0), positions.max(axis=0)
    if (high - low >= side).any():
        raise InputError(f"a box of {side:.1f} Å is too small for a particle of {(high - low).max():.1f} Å")
    return np.asarray((low + high - side) / 2)


def clear_of(
    positions: Float[np.ndarray, "n 3"], particle: Float[np.ndarray, "m 3"], distance: float
) -> Bool[np.ndarray, " n"]:
    """Return which positions are further than ``distance`` [Å] from all atoms of the particle."""
    from scipy.spatial import cKDTree

    nearest, _ = cKDTree(particle).query(positions, distance_upper_bound=distance)
    return np.asarray(np.isinf(nearest))


def surrounded(
    specimen: Specimen,
    added: Atoms,
    about: Mapping[str, Any],
    thermal_displacements: Mapping[str, float] | None = None,
) -> Specimen:
    """Return the specimen with atoms of its surroundings: instance 0, column -1, not counted, not displaced.

    Parameters
    ----------
    about
        What was added, kept under "environment".
    thermal_displacements
        Of the added elements [Å], where they differ from those of the elements at large. Those that the
        specimen has of an element already stay.
    """
    count = len(added)
    added = added.copy()
    known = {symbol: thermal_displacement(symbol) for symbol in sorted(set(added.get_chemical_symbols()))}
    added.set_cell(None)
    added.set_pbc(False)
    added.set_array(COLUMN, np.full(count, -1, dtype=np.int64))
    added.set_array(COUNTED, np.zeros(count, dtype=bool))
    added.set_array(INSTANCE, np.zeros(count, dtype=np.int64))
    added.set_array(DISPLACEMENT, np.zeros((count, 3)))
    return replace(
        specimen,
        atoms=specimen.atoms + added,
        thermal_displacements={**known, **(thermal_displacements or {}), **specimen.thermal_displacements},
        about={**specimen.about, "environment": dict(about)},
    )
