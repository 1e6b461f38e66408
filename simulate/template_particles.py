"""The particles of a library of templates: where their columns are, and where the lattice holds none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import InputError
from simulate.in_plane import neighbours, spacing, turn_between
from simulate.shards.store import find_shards, read_shard
from simulate.truth import columns_of

_FEWEST = 8  # columns of a particle that says how the crystal lies
_ALIKE = 0.4  # agreement of patterns: below, a particle lies on another zone axis
_RIM = 3.0  # Å beside the end of a simulation, where the crystal is not what it would be


@dataclass(frozen=True, kw_only=True)
class LibraryParticle:
    """A particle of a library.

    Parameters
    ----------
    stored
        What its imaging stores of it.
    side
        Edge of its box [Å].
    positions
        (n, 2) of columns, and of places beside them that hold none (y, x) [Å].
    depths
        (n,) counted atoms, 0 at empty places.
    turn
        Angle [rad] that turns it onto the pattern of the library, from x towards y.
    """

    stored: Mapping[str, np.ndarray]
    side: float
    positions: Float[np.ndarray, "n 2"]
    depths: Int[np.ndarray, " n"]
    turn: float


def library_particles(
    folder: Path, states: int, most: int
) -> tuple[list[LibraryParticle], Float[np.ndarray, "m 2"], float]:
    """Return the particles of a folder that lie on one zone axis, that of the largest.

    Parameters
    ----------
    states
        Stored of each structure.
    most
        Structures at most, the first ones.

    Returns
    -------
    particles, pattern, unit
        The pattern of `simulate.in_plane.neighbours` that they are turned onto, the spacing of columns [Å].

    Raises
    ------
    InputError
        If none of them has columns enough to tell how it lies.
    """
    numbers = set(find_shards(folder))
    structures = sorted({number // states for number in numbers})[:most]
    # A state each, all of them in turn: particles that change show what else a crystal may look like.
    wanted = [structure * states + structure % states for structure in structures]
    shards = [read_shard(folder, number) for number in wanted if number in numbers]
    columns = [columns_of(shard.atoms).counted() for shard in shards]
    if max((len(part) for part in columns), default=0) < _FEWEST:
        raise InputError(f"{folder} holds no particles with columns: simulate some on a zone axis")
    largest = max(columns, key=len)
    pattern, unit = neighbours(largest.positions), spacing(largest.positions)
    found = []
    for shard, part in zip(shards, columns, strict=True):
        turn, agreement = turn_between(neighbours(part.positions), pattern)
        if agreement < _ALIKE:
            continue
        empty = empty_places(part.positions, unit)
        positions = np.concatenate([part.positions, empty])
        depths = np.concatenate([part.depths, np.zeros(len(empty), dtype=np.int64)])
        shown = _shown(positions, shard.about.get("window"), shard.side)
        found.append(
            LibraryParticle(
                stored=shard.stored,
                side=shard.side,
                positions=positions[shown],
                depths=depths[shown],
                turn=turn,
            )
        )
    return found, pattern, unit


def empty_places(positions: Float[np.ndarray, "n 2"], unit: float) -> Float[np.ndarray, "m 2"]:
    """Return places beside columns that the lattice has and that hold none.

    Every column of a simple lattice is a centre of symmetry: a neighbour whose mirror image is missing shows
    such a place.

    Parameters
    ----------
    positions
        Of the columns (y, x) [Å].
    unit
        Their spacing [Å].
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(positions)
    pairs = tree.query_pairs(1.25 * unit, output_type="ndarray")
    places = np.concatenate([2 * positions[pairs[:, i]] - positions[pairs[:, 1 - i]] for i in (0, 1)])
    if len(places):
        places = places[tree.query(places)[0] > 0.6 * unit]
    kept: list[np.ndarray] = []
    for place in places:
        if all(np.hypot(*(place - other)) > 0.4 * unit for other in kept):
            kept.append(place)
    return np.array(kept).reshape(-1, 2)


def _shown(
    positions: Float[np.ndarray, "n 2"], window: Sequence[Any] | None, side: float
) -> Bool[np.ndarray, " n"]:
    """Return which places are far enough from where the simulation ends."""
    low, high = np.transpose(window or ((0.0, side), (0.0, side)))
    return np.asarray(((positions > low + _RIM) & (positions < high - _RIM)).all(axis=1))
