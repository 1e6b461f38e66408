"""Graphene sheets that repeat with a square box."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from ase import Atoms

LATTICE_CONSTANT, INTERLAYER = 2.461, 3.354
"""Of graphite at room temperature [Å]."""


def graphene_stack(side: float, layers: int, rng: np.random.Generator) -> tuple[Atoms, float]:
    """Return sheets in AB stacking, periodic along x and y, turned at random, with their strain.

    Parameters
    ----------
    side
        Edge of the square [Å].

    Returns
    -------
    sheets
        x and y in 0..side, z = 0, 3.354, ... [Å].
    strain
        Largest principal strain, as a share: under 0.01 wherever some rotation allows it, as it does for
        every edge beyond 70 Å and most beyond 45 Å; the least there is otherwise, up to 0.02 above 35 Å.
    """
    from ase import Atoms

    lattice = LATTICE_CONSTANT * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    supercells, strains = _supercells(lattice, side)
    good = np.flatnonzero(strains < max(0.01, strains.min() + 1e-9))
    chosen = int(rng.choice(good))
    layer = _fractional_sites(supercells[chosen])
    # The second atom of the cell lies a third along both vectors; AB stacking shifts a layer by as much.
    third = np.array([1, 1]) / 3 @ np.linalg.inv(supercells[chosen])
    shift = rng.random(2)
    points = [(layer + shift + (i % 2) * third) % 1.0 * side for i in range(layers)]
    positions = [np.column_stack([p, np.full(len(p), i * INTERLAYER)]) for i, p in enumerate(points)]
    stack = np.concatenate(positions)
    return Atoms("C" * len(stack), stack), float(strains[chosen])


def _supercells(
    lattice: Float[np.ndarray, "2 2"], side: float
) -> tuple[Float[np.ndarray, "n 2 2"], Float[np.ndarray, " n"]]:
    """Return integer supercells that are nearly squares of an edge, and the largest strain of each."""
    reach = int(np.ceil(1.5 * side / LATTICE_CONSTANT)) + 1
    steps = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2), axis=-1).reshape(-1, 2)
    lengths = np.linalg.norm(steps @ lattice, axis=1)
    first = steps[np.abs(lengths - side) < 0.03 * side + 0.3]
    ideal = (first @ lattice) @ np.array([[0.0, 1.0], [-1.0, 0.0]])  # a quarter turn of row vectors
    second = np.rint(ideal @ np.linalg.inv(lattice)).astype(int)
    supercells = np.stack([first, second], axis=1)
    stretches = np.linalg.svd(supercells @ lattice / side, compute_uv=False)
    return supercells.astype(float), np.abs(1 / stretches - 1).max(axis=1)


def _fractional_sites(supercell: Float[np.ndarray, "2 2"]) -> Float[np.ndarray, "n 2"]:
    """Return both atoms of every primitive cell in a supercell, as fractions of its vectors."""
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) @ supercell
    low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
    steps = np.stack(np.meshgrid(*map(np.arange, low, high + 1)), axis=-1).reshape(-1, 2)
    cells = steps @ np.linalg.inv(supercell)
    # Cells on an edge must be taken once, whatever the rounding.
    cells = cells[((cells > -1e-9) & (cells < 1 - 1e-9)).all(axis=1)]
    third = np.array([1, 1]) / 3 @ np.linalg.inv(supercell)
    return np.concatenate([cells, cells + third])
