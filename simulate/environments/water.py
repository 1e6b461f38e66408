"""Liquid water: molecules at random, at the distances of the real liquid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from simulate.environments.network import Network, relax_network

if TYPE_CHECKING:
    from ase import Atoms

BOND, ANGLE = 0.958, 104.5
"""O-H distance [Å] and H-O-H angle [°] of the molecule."""
APART = 1.6
"""Hydrogen comes no nearer to atoms of other molecules [Å] (a hydrogen bond measures 1.8)."""


def water(side: float, height: float, rng: np.random.Generator, *, density: float = 1.0) -> Atoms:
    """Return a layer of water that is periodic along x and y, as molecules (O, H, H).

    Oxygen atoms form a random network of four neighbours at 2.8 Å, all others beyond 3.8 Å (Soper, Chem.
    Phys. 258 (2000) 121, has 2.79 Å and 4.5 Å); molecules are turned at random, those again that clash.

    Parameters
    ----------
    side, height
        Edges [Å]; oxygen atoms lie in 0..side and 0..height.
    density
        g/cm³.
    """
    from ase import Atoms
    from scipy.constants import N_A

    network = Network(bond=_bond_lengths, apart=3.8, nearest=2.4)
    box = np.array([side, side, max(height, 10.0)])
    count = round(density * 1e-24 * N_A / 18.0153 * box.prod())
    oxygen = relax_network(network, np.full(count, 4), box, rng)
    molecules = oxygen[:, None] + _turned(oxygen, box, rng)
    molecules = molecules[oxygen[:, 2] <= height]
    return Atoms("OHH" * len(molecules), molecules.reshape(-1, 3))


def _bond_lengths(first: Int[np.ndarray, " n"], second: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.full(len(first), 2.83)


def _turned(
    oxygen: Float[np.ndarray, "n 3"], box: Float[np.ndarray, " 3"], rng: np.random.Generator
) -> Float[np.ndarray, "n 3 3"]:
    """Return the atoms (O, H, H) of each molecule about its oxygen."""
    from scipy.spatial import cKDTree
    from scipy.spatial.transform import Rotation

    half = np.deg2rad(ANGLE / 2)
    shape = BOND * np.array([[0, 0, 0], [np.sin(half), np.cos(half), 0], [-np.sin(half), np.cos(half), 0]])
    turned = np.tile(shape, (len(oxygen), 1, 1))
    again = np.arange(len(oxygen))
    # A random try fits in about half of all cases; the few that never do are left as they are.
    for _ in range(40):
        turned[again] = np.einsum(
            "nij,aj->nai", Rotation.random(len(again), random_state=rng).as_matrix(), shape
        )
        points = (oxygen[:, None] + turned).reshape(-1, 3) % box
        pairs = cKDTree(points, boxsize=box).query_pairs(APART, output_type="ndarray") // 3
        clashing = pairs[pairs[:, 0] != pairs[:, 1]]
        # Of two that clash one turns, so that the other may settle.
        again = np.unique(clashing[np.arange(len(clashing)), rng.integers(2, size=len(clashing))])
        if not len(again):
            break
    return turned
