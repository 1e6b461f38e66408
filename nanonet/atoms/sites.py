"""The sites that lattices have in and about a particle, and which of them are neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from nanonet.atoms.lattice import LatticeFit

_SAME = 0.6
"""Bond lengths within which a site of one grain and what another holds exclude each other."""


@dataclass(frozen=True, kw_only=True)
class Sites:
    """Lattice points that hold an atom or have neighbours that do.

    Parameters
    ----------
    atom
        (m,) number of the atom there, -1 where there is none.
    predicted
        (m, 3) where neighbours say that it lies [Å].
    neighbours
        (m, k) numbers of the neighbouring sites, m where there is none.
    full
        (m,) neighbours that a site has in bulk.
    species
        (m,) which element of the crystal it holds, where the site tells.
    """

    atom: Int[np.ndarray, " m"]
    predicted: Float[np.ndarray, "m 3"]
    neighbours: Int[np.ndarray, "m k"]
    full: Int[np.ndarray, " m"]
    species: Int[np.ndarray, " m"]

    def __len__(self) -> int:
        return len(self.atom)


def sites_about(positions: Float[np.ndarray, "n 3"], grains: Sequence[LatticeFit]) -> Sites:
    """Return the sites of the atoms on lattices, and all next to them.

    Where grains meet, a site that another grain's atom or an earlier grain's site lies on is left out, and
    what is within a bond of it on the other grain is its neighbour.
    """
    every = [_of_one(positions, grain) for grain in grains]
    if len(every) == 1:
        return every[0]
    cutoff = grains[0].cutoff
    bond = grains[0].bond_length
    kept: list[np.ndarray] = []
    for number, sites in enumerate(every):
        held = sites.atom >= 0
        own = np.zeros(len(positions), dtype=bool)
        own[sites.atom[held]] = True
        others = [positions[~own]]
        others += [every[i].predicted[kept[i]] for i in range(number)]
        off = cKDTree(np.concatenate(others)).query(sites.predicted)[0]
        kept.append(np.flatnonzero(held | (off > _SAME * bond)))
    return _together([_some(sites, which) for sites, which in zip(every, kept, strict=True)], cutoff)


def _some(sites: Sites, which: Int[np.ndarray, " s"]) -> Sites:
    number = np.full(len(sites) + 1, len(which))
    number[which] = np.arange(len(which))
    return Sites(
        atom=sites.atom[which],
        predicted=sites.predicted[which],
        neighbours=number[sites.neighbours[which]],
        full=sites.full[which],
        species=sites.species[which],
    )


def _together(parts: Sequence[Sites], cutoff: float) -> Sites:
    total = sum(len(part) for part in parts)
    starts = np.cumsum([0, *(len(part) for part in parts)])
    grain = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    predicted = np.concatenate([part.predicted for part in parts])
    pairs = cKDTree(predicted).query_pairs(cutoff, output_type="ndarray")
    pairs = pairs[grain[pairs[:, 0]] != grain[pairs[:, 1]]]
    across = np.concatenate([pairs, pairs[:, ::-1]])
    across = across[np.argsort(across[:, 0], kind="stable")]
    place = np.arange(len(across)) - np.searchsorted(across[:, 0], across[:, 0])
    width = int(place.max(initial=-1)) + 1
    beyond = np.full((total, width), total)
    beyond[across[:, 0], place] = across[:, 1]
    own = [
        np.where(part.neighbours < len(part), part.neighbours + start, total)
        for part, start in zip(parts, starts, strict=False)
    ]
    return Sites(
        atom=np.concatenate([part.atom for part in parts]),
        predicted=predicted,
        neighbours=np.concatenate([np.concatenate(own), beyond], axis=1),
        full=np.concatenate([part.full for part in parts]),
        species=np.concatenate([part.species for part in parts]),
    )


def _of_one(positions: Float[np.ndarray, "n 3"], lattice: LatticeFit) -> Sites:
    held = np.flatnonzero(lattice.on)
    steps, crystal = lattice.crystal.steps, lattice.crystal
    own = lattice.nodes[held]
    around = (own[:, None] + steps).reshape(-1, 3)
    around = around[crystal.allowed(around)]
    nodes, inverse = np.unique(np.concatenate([own, around]), axis=0, return_inverse=True)
    inverse = inverse.ravel()
    atom = np.full(len(nodes), -1)
    atom[inverse[: len(held)]] = held
    code = {tuple(node): number for number, node in enumerate(nodes.tolist())}
    near = np.array([[code.get(tuple(n), len(nodes)) for n in (node + steps).tolist()] for node in nodes])
    known = np.append(atom, -1)[near]
    places = np.where(
        (known >= 0)[..., None],
        positions[np.maximum(known, 0)] - steps @ lattice.vectors,
        0.0,
    )
    count = (known >= 0).sum(axis=1)
    mean = places.sum(axis=1) / np.maximum(count, 1)[:, None]
    return Sites(
        atom=atom,
        predicted=np.where(count[:, None] > 0, mean, lattice.origin + nodes @ lattice.vectors),
        neighbours=near,
        full=crystal.coordination(nodes),
        species=crystal.species(nodes),
    )
