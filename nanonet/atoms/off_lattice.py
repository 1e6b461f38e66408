"""Whether two models of one particle displace the same atoms from their lattice the same way.

A lattice that is drawn into the data again and again comes out of them, whatever they show. That atoms lie
beside their sites it does not say: only data do. So the displacements of atoms from the lattice, measured
twice with nothing in common but the particle, are correlated, and compared with the same after the atoms of
one were exchanged by chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from nanonet.atoms.detected import Detected

_NEAR = 0.3
"""Distance over the bond length within which atoms of two models are one."""
_SHUFFLES = 9999
_FEWEST = 20


@dataclass(frozen=True, kw_only=True)
class OffLattice:
    """How displacements from the lattice agree.

    Parameters
    ----------
    atoms
        That were compared.
    correlation
        Of the components of both sets of displacements, their means taken off; NaN of too few atoms.
    p_value
        Share of shuffles, and this one, that correlate as much.
    displacement
        Root mean square of one set along an axis [Å]: noise is in it.
    """

    atoms: int
    correlation: float
    p_value: float
    displacement: float


def displacements(detected: Detected) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Return the places [Å] of the atoms on the largest grain's lattice, and how far beside it they lie."""
    lattice = detected.lattice
    if lattice is None:
        return np.zeros((0, 3)), np.zeros((0, 3))
    places = detected.fit.atoms.positions[lattice.on]
    sites = lattice.origin + lattice.nodes[lattice.on] @ lattice.vectors
    return places, places - sites


def off_lattice(
    one: tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]],
    other: tuple[Float[np.ndarray, "m 3"], Float[np.ndarray, "m 3"]],
    bond_length: float,
    rng: np.random.Generator,
) -> OffLattice:
    """Return how the displacements of two models, which lie one on the other, agree.

    Parameters
    ----------
    one, other
        Places and displacements of their atoms [Å].
    """
    if min(len(one[0]), len(other[0])) < _FEWEST:
        return OffLattice(atoms=0, correlation=np.nan, p_value=1.0, displacement=np.nan)
    near, which = cKDTree(other[0]).query(one[0], distance_upper_bound=_NEAR * bond_length)
    found = np.isfinite(near)
    first, second = one[1][found], other[1][which[found]]
    if len(first) < _FEWEST:
        return OffLattice(atoms=len(first), correlation=np.nan, p_value=1.0, displacement=np.nan)
    first, second = first - first.mean(0), second - second.mean(0)
    scale = np.sqrt((first**2).sum() * (second**2).sum())
    measured = float((first * second).sum() / max(scale, 1e-30))
    by_chance = np.array([(first * second[rng.permutation(len(second))]).sum() for _ in range(_SHUFFLES)])
    more = int((by_chance / max(scale, 1e-30) >= measured).sum())
    return OffLattice(
        atoms=len(first),
        correlation=measured,
        p_value=(1 + more) / (1 + _SHUFFLES),
        displacement=float(np.sqrt((first**2).mean())),
    )
