"""Groups of a size that a map can be made of: too large ones are split by mass, too small ones left out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from nanonet.cluster.partition import members


def within(
    labels: Int[np.ndarray, " n"], mass: Float[np.ndarray, " n"], *, smallest: int = 20, largest: int = 200
) -> tuple[Int[np.ndarray, " n"], tuple[str, ...]]:
    """Return groups of ``smallest`` to ``largest`` particles, and what was done, in words.

    A group that is too large is split into parts of equal number along its mass, in HAADF the one property
    that does not depend on how a particle lies: those of a part are alike in size, which sharpens its map.

    Parameters
    ----------
    labels
        Groups from 0; -1 for none.
    mass
        Of each particle, in any unit: its intensity over the background.
    """
    found, said, next_one = np.full(len(labels), -1), [], 0
    for number, own in enumerate(members(labels)):
        count = int(own.sum())
        if count < smallest:
            said.append(f"kind {number + 1}: {count} particles are too few for a map (at least {smallest})")
            continue
        parts = -(-count // largest)
        rank = np.argsort(np.argsort(mass[own], kind="stable"), kind="stable")
        found[own] = next_one + rank * parts // count
        if parts > 1:
            said.append(f"kind {number + 1}: {count} particles, split by mass into {parts} classes")
        next_one += parts
    return found, tuple(said)
