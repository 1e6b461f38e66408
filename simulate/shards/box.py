"""The box that a specimen is simulated in: square and periodic across the beam."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.specimen import FOCAL_PLANE, INSTANCE

if TYPE_CHECKING:
    from ase import Atoms

BEAM_MARGIN = 2.0
"""Vacuum before the first and after the last atom along the beam [Å]."""


def bounds(atoms: Atoms) -> Float[np.ndarray, "2 3"]:
    """Return the lowest and highest (x, y, z) of atoms [Å].

    Raises
    ------
    InputError
        If there are none.
    """
    if not len(atoms):
        raise InputError("the recipe left no atom: enlarge the particle")
    return np.stack([atoms.positions.min(axis=0), atoms.positions.max(axis=0)])


def enclose(
    atoms: Atoms,
    side: float,
    particle: Float[np.ndarray, "2 3"],
    whole: Float[np.ndarray, "2 3"] | None = None,
) -> Atoms:
    """Return atoms in a box whose middle across the beam is that of the particle.

    Along the beam the box holds all atoms and `BEAM_MARGIN` before and after them. Surroundings (instance 0)
    that stick out at one edge are brought in at the other, as the box is periodic.

    Parameters
    ----------
    side
        Edge across the beam [Å].
    particle
        Bounds of the particle, without its surroundings.
    whole
        Bounds along z that the box is to hold, where they are not those of ``atoms``: the same for all states
        of a particle that changes.
    """
    low, high = bounds(atoms) if whole is None else whole
    height = float(high[2] - low[2] + 2 * BEAM_MARGIN)
    middle = np.append(particle.mean(axis=0)[:2], (low[2] + high[2]) / 2)
    placed = atoms.copy()
    shift = np.array([side, side, height]) / 2 - middle
    placed.positions += shift
    placed.info[FOCAL_PLANE] = float(particle.mean(axis=0)[2] + shift[2])
    placed.set_cell([side, side, height])
    placed.pbc = True
    if INSTANCE in placed.arrays:
        around = placed.arrays[INSTANCE] == 0
        placed.positions[around, :2] %= side
    return placed
