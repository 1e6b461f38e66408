"""The lattice sites that a particle may fill, by column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from simulate.crystals.crystal import Crystal


@dataclass(frozen=True, kw_only=True)
class Sites:
    """An undistorted piece of crystal around the origin in the frame of the beam, which travels along +z.

    It reaches some neighbours beyond the particle, so that there are empty sites for atoms to come to.

    Parameters
    ----------
    crystal
        What it is a piece of.
    positions
        (n, 3) ideal (x, y, z) [Å], sorted by column, then by z.
    numbers
        (n,) atomic number of the atom that a site holds when it is filled.
    columns
        (n,) column of each site, of cations and anions alike, 0, 1, ...; all -1 where the beam is along no
        zone axis.
    counted
        (n,) whether atoms here count for the depth of a column (Ce of CeO2, all of a metal).
    rotation
        (3, 3) turned the crystal's own frame into this one.
    luck
        (n,) a number of 0..1 drawn once for each site, so that its fate at a surface never flickers.
    """

    crystal: Crystal
    positions: Float[np.ndarray, "n 3"]
    numbers: Int[np.ndarray, " n"]
    columns: Int[np.ndarray, " n"]
    counted: Bool[np.ndarray, " n"]
    rotation: Float[np.ndarray, "3 3"]
    luck: Float[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.positions)

    def bounds(self, column: int) -> slice:
        """Return which sites are of a column, in the order of z."""
        first, last = np.searchsorted(self.columns, [column, column + 1])
        return slice(int(first), int(last))
