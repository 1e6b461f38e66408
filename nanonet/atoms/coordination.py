"""Neighbours: coordination numbers, generalised ones, bond lengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree


@dataclass(frozen=True, kw_only=True)
class Coordination:
    """Neighbours of n atoms within ``cutoff`` [Å].

    Parameters
    ----------
    pairs
        (p, 2) each pair of neighbours once.
    number
        (n,) coordination number.
    generalized
        (n,) Σ CN of the neighbours over that of the bulk crystal (Calle-Vallejo et al., Angew. Chem. Int. Ed.
        53 (2014) 8316), as the catalysis literature has it.
    generalized_own_maximum
        (n,) the same over the largest CN among the neighbours (Wietfeldt et al., 2024).
    bond_length
        (n,) mean distance to the neighbours [Å]; NaN where there are none.
    """

    cutoff: float
    pairs: Int[np.ndarray, "p 2"]
    number: Int[np.ndarray, " n"]
    generalized: Float[np.ndarray, " n"]
    generalized_own_maximum: Float[np.ndarray, " n"]
    bond_length: Float[np.ndarray, " n"]


def coordination(
    positions: Float[np.ndarray, "n 3"], *, cutoff: float, bulk: int | Int[np.ndarray, " n"]
) -> Coordination:
    """Return the neighbours of each atom nearer than ``cutoff`` [Å].

    Parameters
    ----------
    positions
        (x, y, z) in Å.
    bulk
        Coordination number inside the crystal, of all atoms or of each.
    """
    count = len(positions)
    pairs = cKDTree(positions).query_pairs(cutoff, output_type="ndarray")
    both = np.concatenate([pairs, pairs[:, ::-1]])
    number = np.bincount(both[:, 0], minlength=count)
    total = np.bincount(both[:, 0], number[both[:, 1]].astype(float), minlength=count)
    filled = np.bincount(both[:, 0], (number / bulk)[both[:, 1]], minlength=count)
    largest = np.zeros(count)
    np.maximum.at(largest, both[:, 0], number[both[:, 1]].astype(float))
    distance = np.linalg.norm(positions[both[:, 0]] - positions[both[:, 1]], axis=1)
    sums = np.bincount(both[:, 0], distance, minlength=count)
    with np.errstate(invalid="ignore"):
        bond = sums / number
    return Coordination(
        cutoff=cutoff,
        pairs=pairs,
        number=number,
        generalized=filled,
        generalized_own_maximum=total / np.maximum(largest, 1),
        bond_length=bond,
    )
