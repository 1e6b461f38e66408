"""How large particles are next to each other, before anything is known of their shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanonet.reconstruct.point_group import CUBIC

_MOST = 1.35
"""Largest size, and the inverse of the smallest."""


@dataclass(frozen=True)
class FirstSizes:
    """Sizes of n particles over the middle one's, by radii of gyration and by masses.

    The radius of gyration of a projection is the same from all sides in cubic groups alone. The cube root of
    the mass, in HAADF the sum of an image, always is, but takes other brightness for another size.
    """

    by_gyration: Float[np.ndarray, " n"]
    by_mass: Float[np.ndarray, " n"]

    @staticmethod
    def of(gyration: Float[np.ndarray, " n"], mass: Float[np.ndarray, " n"]) -> FirstSizes:
        """Return sizes from radii of gyration and masses, in any units."""
        return FirstSizes(_within(gyration / np.median(gyration)), _within(np.cbrt(mass / np.median(mass))))

    def under(self, point_group: str) -> Float[np.ndarray, " n"]:
        """Return the sizes to begin with under a point group."""
        return self.by_gyration if point_group in CUBIC else self.by_mass

    def take(self, which: slice | Int[np.ndarray, " m"]) -> FirstSizes:
        """Return those of some particles."""
        return FirstSizes(self.by_gyration[which], self.by_mass[which])


def _within(ratio: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.asarray(np.clip(ratio, 1 / _MOST, _MOST))
