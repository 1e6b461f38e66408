"""Stars: rhombic dodecahedra with faces etched away from their middles, as Pt-Ni on the way to a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Bool, Float

from nanonet.records import InputError
from simulate.crystals import Crystal
from simulate.ranges import drawn, require_range
from simulate.structures.solids import ON_PLANE, Polyhedron, Solid
from simulate.structures.twinned import is_cubic


@dataclass(frozen=True, kw_only=True)
class Star:
    """Etched rhombic dodecahedra, concave; the diameter is between opposite {110} faces before etching.

    Populations of such particles: Slater et al., Microsc. Microanal. 26 (2020).

    Parameters
    ----------
    etching
        How far the middle of a face has sunk towards the centre, lowest and highest: 0 is the whole
        dodecahedron, and towards 1 only its edges are left.
    spread
        Standard deviation of the etching among the faces of one particle.
    """

    etching: Sequence[float] = (0.1, 0.7)
    spread: float = 0.05

    def __post_init__(self) -> None:
        require_range("etching", self.etching, "of the way to the centre", low=0.0, high=0.9)

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> EtchedDodecahedron:
        """Draw a solid of a diameter [Å].

        Raises
        ------
        InputError
            If the crystal is not cubic.
        """
        if not is_cubic(crystal):
            raise InputError(f"Star is a shape of cubic crystals, not of {crystal.name}")
        etching = drawn(self.etching, rng)
        faces = np.clip(etching + self.spread * rng.standard_normal((3, 2, 2)), 0.0, 0.9)
        return EtchedDodecahedron(distance=diameter / 2, etching=faces)


@dataclass(frozen=True, kw_only=True)
class EtchedDodecahedron(Solid):
    """A rhombic dodecahedron, each face of which is a pyramid that points inwards.

    Parameters
    ----------
    distance
        Of the faces from the centre before etching [Å].
    etching
        (3, 2, 2) of each face: by the axis that it is parallel to, and the signs of its normal along the next
        axis and the one after (0 negative, 1 positive).
    """

    distance: float
    etching: Float[np.ndarray, "3 2 2"]

    @property
    def reach(self) -> float:
        """Distance of the corners on <100> [Å]."""
        return float(np.sqrt(2) * self.distance)

    @property
    def about(self) -> dict[str, float]:
        """How far it is etched."""
        return {"etching": float(self.etching.mean())}

    @property
    def pieces(self) -> tuple[Polyhedron, ...]:
        """The tetrahedra that it is made of: between the centre and each of the four sides of each face."""
        found = []
        for face in np.ndindex(3, 2, 2):
            first, second = (np.roll(np.eye(3), face[0], axis=1)[i] * (2 * face[i] - 1) for i in (1, 2))
            along = np.roll(np.eye(3), face[0], axis=1)[0]
            sunk = (1 - self.etching[face]) * (first + second) / 2
            for corner, up in product((first, second), (-1, 1)):
                found.append(
                    _tetrahedron(self.reach * np.array([corner, (first + second + up * along) / 2, sunk]))
                )
        return tuple(found)

    def inside(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return which points it holds.

        Each lies in the cone of one face, and by symmetry in that of a third of the pyramid's sides: with
        coordinates x >= y >= z >= 0 the side is the plane through the corners (c, 0, 0) and (c, c, c) / 2 and
        the sunk middle (1 - etching) (c, c, 0) / 2.
        """
        size = np.abs(points)
        parallel = size.argmin(axis=1)
        signs = (points > 0).astype(int)
        rows = np.arange(len(points))
        first, second = (parallel + 1) % 3, (parallel + 2) % 3
        left = 1.0 - self.etching[parallel, signs[rows, first], signs[rows, second]]
        z, y, x = np.sort(size, axis=1).T
        scaled = x + (2 / left - 1) * y + (2 - 2 / left) * z
        return np.asarray(scaled <= self.reach + ON_PLANE)


def _tetrahedron(corners: Float[np.ndarray, "3 3"]) -> Polyhedron:
    """Return the tetrahedron of the origin and three corners."""
    a, b, c = corners
    normals = np.array([np.cross(b - a, c - a), np.cross(a, b), np.cross(b, c), np.cross(c, a)])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    # Outward is away from the corner that is not on the plane.
    inner = np.array([np.zeros(3), c, a, b])
    normals *= np.sign((normals * (corners[[0, 0, 1, 2]] - inner)).sum(axis=1))[:, None]
    return Polyhedron(normals=normals, distances=np.array([float(normals[0] @ a), 0.0, 0.0, 0.0]))
