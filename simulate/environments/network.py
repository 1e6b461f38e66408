"""Random networks of atoms: amorphous carbon, the oxygen of water."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

ROUNDS, STEPS = 14, 8
"""How often bonds are made anew, and steps of relaxation between; g(r) changes by 1 % with twice as many."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """What the neighbourhood of an atom is like.

    Parameters
    ----------
    bond
        Lengths [Å] of the bonds between atoms of given valences (n,), (n,).
    apart
        Atoms that are not bonded keep this distance [Å]: that of second neighbours, which sets the angle
        between two bonds.
    nearest
        No two atoms come nearer than this [Å].
    """

    bond: Callable[[Int[np.ndarray, " n"], Int[np.ndarray, " n"]], Float[np.ndarray, " n"]]
    apart: float
    nearest: float


def relax_network(
    network: Network,
    valences: Int[np.ndarray, " n"],
    box: Float[np.ndarray, " 3"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "n 3"]:
    """Return positions of atoms that are bonded at random, in a box that is periodic along all axes.

    From uniformly random points, every atom is bonded to its nearest neighbours until its valence is
    filled, as far as both sides are free. Springs pull bonds to their length and push all others
    ``apart``; bonds are then made anew. It is the relaxation of a continuous random network with springs in
    place of Keating's potential (Wooten, Winer & Weaire, Phys. Rev. Lett. 54 (1985) 1392), fast since no
    bond is ever swapped by a Metropolis step. Time and memory grow as the number of atoms.

    Parameters
    ----------
    valences
        (n,) bonds that each atom wants.
    box
        (3,) edges (x, y, z) [Å], each at least twice 1.15 ``apart``.

    Returns
    -------
    positions
        (n, 3) (x, y, z) [Å] in 0..box.
    """
    positions = _even_points(len(valences), rng) * box + rng.normal(0, network.apart / 3, (len(valences), 3))
    for _ in range(ROUNDS):
        pairs = _pairs(positions, box, 1.15 * network.apart)
        bonded = _bonds(positions, pairs, valences, box, network.apart)
        rest = np.where(bonded, network.bond(*valences[pairs]), network.apart)
        stiffness = np.where(bonded, 0.25, 0.12)
        for _ in range(STEPS):
            distances, between = _separations(positions, pairs, box)
            push = np.where(bonded | (distances < network.apart), rest - distances, 0.0) * stiffness
            _move(positions, pairs, between * (np.clip(push, -0.3, 0.3) / distances)[:, None])
    return _part(positions % box, box, network.nearest)


def _even_points(count: int, rng: np.random.Generator) -> Float[np.ndarray, "n 3"]:
    """Return points in the unit cube that are more even than random ones (scrambled Sobol sequence).

    Springs reach a few Å, so that fluctuations of density over longer distances stay as they start: those of
    independent points would be those of a gas.
    """
    from scipy.stats.qmc import Sobol

    points = Sobol(3, scramble=True, rng=rng).random(1 << max(int(count - 1).bit_length(), 1))
    return np.asarray(points[:count])


def _pairs(
    positions: Float[np.ndarray, "n 3"], box: Float[np.ndarray, " 3"], reach: float
) -> Int[np.ndarray, "2 m"]:
    """Return all pairs of atoms within ``reach`` across the box's faces too; wraps the positions in place."""
    from scipy.spatial import cKDTree

    positions %= box
    return np.asarray(cKDTree(positions, boxsize=box).query_pairs(reach, output_type="ndarray").T)


def _separations(
    positions: Float[np.ndarray, "n 3"], pairs: Int[np.ndarray, "2 m"], box: Float[np.ndarray, " 3"]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "m 3"]]:
    """Return distance and difference of the nearest images of pairs [Å]."""
    between = positions[pairs[0]] - positions[pairs[1]]
    between -= box * np.rint(between / box)
    return np.sqrt((between**2).sum(axis=1)) + 1e-9, between


def _move(
    positions: Float[np.ndarray, "n 3"], pairs: Int[np.ndarray, "2 m"], steps: Float[np.ndarray, "m 3"]
) -> None:
    """Add to the positions, in place, a step (and its opposite) for the atoms of each pair."""
    count = len(positions)
    for axis, step in enumerate(steps.T):
        positions[:, axis] += np.bincount(pairs[0], step, count) - np.bincount(pairs[1], step, count)


def _bonds(
    positions: Float[np.ndarray, "n 3"],
    pairs: Int[np.ndarray, "2 m"],
    valences: Int[np.ndarray, " n"],
    box: Float[np.ndarray, " 3"],
    reach: float,
) -> Bool[np.ndarray, " m"]:
    """Return which pairs are bonded: nearest first, in two passes, none beyond an atom's valence."""
    distances = _separations(positions, pairs, box)[0]
    bonded = np.zeros(pairs.shape[1], dtype=bool)
    for _ in range(2):
        room = valences - np.bincount(pairs[:, bonded].ravel(), minlength=len(valences))
        free = np.flatnonzero(~bonded & (distances < reach) & (room[pairs] > 0).all(axis=0))
        free = free[np.argsort(distances[free], kind="stable")]
        bonded[free] = _wanted_by_both(pairs[:, free], room)
    return bonded


def _wanted_by_both(pairs: Int[np.ndarray, "2 m"], room: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " m"]:
    """Return which pairs, sorted by distance, are among the first ``room`` ones of both their atoms."""
    atoms, pair = pairs.ravel(), np.tile(np.arange(pairs.shape[1]), 2)
    order = np.lexsort((pair, atoms))
    atoms, pair = atoms[order], pair[order]
    rank = np.arange(len(atoms)) - np.searchsorted(atoms, np.arange(len(room)))[atoms]
    wanted = np.bincount(pair[rank < room[atoms]], minlength=pairs.shape[1])
    return np.asarray(wanted == 2)


def _part(
    positions: Float[np.ndarray, "n 3"], box: Float[np.ndarray, " 3"], nearest: float
) -> Float[np.ndarray, "n 3"]:
    """Push apart the few atoms that springs have left too near each other."""
    for _ in range(50):
        pairs = _pairs(positions, box, nearest)
        if not pairs.size:
            break
        distances, between = _separations(positions, pairs, box)
        _move(positions, pairs, between * (0.55 * (1.02 * nearest - distances) / distances)[:, None])
    return np.asarray(positions % box)
