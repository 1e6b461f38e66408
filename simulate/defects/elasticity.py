"""Isotropic elasticity: Poisson's ratios and the displacements around a straight dislocation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

# Of the polycrystal: Simmons & Wang, Single Crystal Elastic Constants (1971); CeO2: Nakajima, Yoshihara &
# Ishigame, Phys. Rev. B 50 (1994) 13297.
POISSON_RATIOS: Mapping[str, float] = {
    "Au": 0.42,
    "Pt": 0.38,
    "Pd": 0.39,
    "Ag": 0.37,
    "Cu": 0.34,
    "Ni": 0.31,
    "CeO2": 0.31,
}


def poisson_ratio(name: str) -> float:
    """Return Poisson's ratio of a crystal; 1/3, most solids being near it, where it is not listed."""
    return POISSON_RATIOS.get(name, 1 / 3)


def straight_dislocation(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    *,
    edge: float,
    screw: float,
    poisson: float,
    core: float,
) -> Float[np.ndarray, "n 3"]:
    """Return the displacements around a straight dislocation in an isotropic medium without end.

    Hirth & Lothe, Theory of Dislocations (1982), ch. 3, edge eqs. 3-45 and 3-46. They gain the
    Burgers vector once round the line, right-handed, and jump by it across the half plane y = 0, x < 0.

    Parameters
    ----------
    x, y
        Across the line, x along the edge part of the Burgers vector [Å].
    edge, screw
        Parts of the Burgers vector along x and along the line [Å].
    core
        Radius over which the singular terms are spread [Å].

    Returns
    -------
    displacements
        Along x, y and the line [Å].
    """
    angle, square = np.arctan2(y, x), x**2 + y**2 + core**2
    along = edge / (2 * np.pi) * (angle + x * y / (2 * (1 - poisson) * square))
    up = (1 - 2 * poisson) / (4 * (1 - poisson)) * np.log(square / core**2)
    up += (x**2 - y**2) / (4 * (1 - poisson) * square)
    return np.stack([along, -edge / (2 * np.pi) * up, screw / (2 * np.pi) * angle], axis=1)
