"""Amorphous carbon: the film that particles lie on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from nanonet.records import InputError
from simulate.environments.network import Network, relax_network
from simulate.environments.surroundings import square_corner, surrounded
from simulate.ranges import Range, drawn, require_range
from simulate.specimen import Specimen

Face = Literal["exit", "entrance", "either"]
"""Where a support lies: behind the particle (the beam meets the particle first), before it, or drawn."""


@dataclass(frozen=True, kw_only=True)
class AmorphousCarbon:
    """A film of amorphous carbon under or over the particle.

    Parameters
    ----------
    thickness
        [lowest, highest] [Å].
    density
        g/cm³; 1.8 to 2.1 for evaporated films.
    face
        "exit" where the beam meets the particle first, "entrance" where it meets the film first, "either"
        to draw.
    gap
        [lowest, highest] distance [Å] between the planes of the particle's outermost atom and the film's.
    sp3
        Share of atoms with four bonds instead of three.
    """

    thickness: Range = (20.0, 60.0)
    density: float = 2.0
    face: Face = "either"
    gap: Range = (2.0, 3.0)
    sp3: float = 0.2

    def __post_init__(self) -> None:
        require_range("thickness", self.thickness, "Å", low=1.0)
        require_range("gap", self.gap, "Å", low=0.0)
        if not 1.0 <= self.density <= 2.6:
            # Above it three bonds and the distance of second neighbours no longer fit into the volume.
            raise InputError(f"density of amorphous carbon must lie in 1 to 2.6 g/cm³, got {self.density}")
        if self.face not in ("exit", "entrance", "either"):
            raise InputError(f"face must be exit, entrance or either, got {self.face}")
        if not 0 <= self.sp3 <= 1:
            raise InputError(f"sp3 must be a share of 0 to 1, got {self.sp3}")

    def surround(self, specimen: Specimen, side: float, rng: np.random.Generator) -> Specimen:
        """Return the specimen with the film; see `simulate.specimen.Environment`."""
        from ase import Atoms

        corner = square_corner(specimen, side)
        thickness, gap = drawn(self.thickness, rng), drawn(self.gap, rng)
        face = str(rng.choice(["exit", "entrance"])) if self.face == "either" else self.face
        film = carbon_film(side, thickness, rng, density=self.density, sp3=self.sp3)
        film += [*corner, film_start(specimen, face, thickness, gap)]
        about = {
            "kind": "amorphous carbon",
            "face": face,
            "thickness": thickness,
            "density": self.density,
            "gap": gap,
        }
        return surrounded(specimen, Atoms("C" * len(film), film), about)


def film_start(specimen: Specimen, face: str, thickness: float, gap: float) -> float:
    """Return z [Å] of the first plane of a film that touches the specimen on a face."""
    heights = specimen.atoms.positions[:, 2]
    return float(heights.max() + gap if face == "exit" else heights.min() - gap - thickness)


def carbon_film(
    side: float, thickness: float, rng: np.random.Generator, *, density: float = 2.0, sp3: float = 0.2
) -> Float[np.ndarray, "n 3"]:
    """Return the atoms of a film that is periodic along x and y, cut from a bulk network at two planes.

    Bonds measure 1.40 Å, and 0.06 Å more for each of their atoms that is sp3; second neighbours lie at
    2.5 Å, as in sputtered and evaporated carbon (Li & Lannin, Phys. Rev. Lett. 65 (1990) 1905).

    Parameters
    ----------
    side, thickness
        Edges of the film [Å].
    density
        g/cm³.

    Returns
    -------
    positions
        (n, 3) (x, y, z) [Å], x and y in 0..side, z in 0..thickness.
    """
    from ase.data import atomic_masses
    from scipy.constants import atomic_mass

    network = Network(bond=_bond_lengths, apart=2.5, nearest=1.25)
    # A bulk that is thinner than twice the reach of the springs would meet its own images.
    box = np.array([side, side, max(thickness, 8.0)])
    per_volume = density * 1e-27 / (atomic_masses[6] * atomic_mass)
    valences = np.where(rng.random(round(per_volume * box.prod())) < sp3, 4, 3)
    positions = relax_network(network, valences, box, rng)
    return np.asarray(positions[positions[:, 2] <= thickness])


def _bond_lengths(first: Int[np.ndarray, " n"], second: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.asarray(1.40 + 0.06 * (first + second - 6))
