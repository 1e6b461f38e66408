"""Multiply twinned shapes of fcc metals: decahedra and icosahedra, of strained tetrahedra that meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from nanonet.records import InputError
from simulate.crystals import STRUCTURES, Crystal
from simulate.ranges import drawn, require_range
from simulate.structures.solids import ON_PLANE, Grain, Polyhedron, Solid

FIFTH = 2 * np.pi / 5

# The frame of the decahedron's first grain: its fivefold axis, the middle of its wedge, and across that.
_AXIS = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
_MIDDLE = np.array([0.0, 0.0, 1.0])
_ACROSS = np.array([1.0, -1.0, 0.0]) / np.sqrt(2)


@dataclass(frozen=True, kw_only=True)
class Icosahedron:
    """Mackay icosahedra (Acta Cryst. 15 (1962) 916): twenty tetrahedra around a common atom.

    Each is stretched alike, its volume kept, until they close: bonds between shells are 2.4 % shorter than
    in the crystal and bonds within them 2.6 % longer. The diameter is between opposite {111} facets. Zone
    axes are those of the first tetrahedron: [110], [111] and [211] are a five-, a three- and a twofold axis.

    Parameters
    ----------
    jitter
        Standard deviation of each facet's distance from the centre, relative; 0 for whole shells.
    """

    jitter: float = 0.03

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Polyhedron:
        """Draw a solid of a diameter [Å].

        Raises
        ------
        InputError
            If the crystal is no fcc metal.
        """
        require_fcc(crystal, "Icosahedron")
        grains = icosahedron_grains()
        normals = np.array([grain.deformation @ np.ones(3) for grain in grains])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        moved = 1 + self.jitter * np.clip(rng.standard_normal(len(normals)), -3, 3)
        return Polyhedron(normals=normals, distances=diameter / 2 * moved, parts=grains)


@dataclass(frozen=True, kw_only=True)
class Decahedron:
    """Decahedra after Ino and Marks (Philos. Mag. A 49 (1984) 81): five tetrahedra around a fivefold axis.

    The diameter is twice the distance from the axis to the {100} faces on the sides. Zone axes are those of
    the first tetrahedron: [110] is the fivefold axis, [001] a direction across it.

    Parameters
    ----------
    aspect
        Length of the axis over the diameter, lowest and highest: 1 / √2 has no {100} faces.
    notch
        Depth of the re-entrant grooves along the twin planes, of the distance from the axis to the ridge,
        lowest and highest: 0 is Ino's form, above it Marks's.
    jitter
        Standard deviation of each facet's distance from the centre, relative.
    """

    aspect: Sequence[float] = (0.75, 1.3)
    notch: Sequence[float] = (0.0, 0.25)
    jitter: float = 0.03

    def __post_init__(self) -> None:
        require_range("aspect", self.aspect, "(axis over diameter)", low=0.7)
        require_range("notch", self.notch, "of the way to the axis", low=0.0, high=0.6)

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Solid:
        """Draw a solid of a diameter [Å].

        Raises
        ------
        InputError
            If the crystal is no fcc metal.
        """
        require_fcc(crystal, "Decahedron")
        aspect, notch = drawn(self.aspect, rng), drawn(self.notch, rng)
        ridge = diameter / 2 / np.cos(FIFTH / 2)
        cap = aspect * diameter / 2 * float(_cap(1.0) @ _AXIS)
        even = np.array([cap, cap, diameter / 2, *[(1 - notch) * ridge * np.sin(FIFTH)] * 2])
        moved = 1 + self.jitter * np.clip(rng.standard_normal((5, 5)), -3, 3)
        return Pentagonal(distances=even * moved, facts={"aspect": aspect, "notch": notch})


@dataclass(frozen=True, kw_only=True)
class Pentagonal(Solid):
    """Five wedges around an axis, each between two caps, a side and two planes parallel to its twin planes.

    Parameters
    ----------
    distances
        (5, 5) of these planes from the origin [Å], a row for each wedge.
    """

    distances: Float[np.ndarray, "5 5"]
    facts: Mapping[str, Any]

    @property
    def grains(self) -> Sequence[Grain]:
        """The five."""
        return decahedron_grains()

    @property
    def about(self) -> Mapping[str, Any]:
        """What was drawn."""
        return self.facts

    @property
    def reach(self) -> float:
        """Distance of the farthest ridge or tip [Å], at most."""
        ridge = self.distances[:, 2].max() / np.cos(FIFTH / 2)
        tip = self.distances[:, :2].max() / (_cap(1.0) @ _AXIS)
        return float(np.hypot(ridge, tip))

    def inside(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Return which points it holds."""
        along = points @ _AXIS
        angle = np.arctan2(points @ _ACROSS, points @ _MIDDLE)
        radius = np.hypot(points @ _ACROSS, points @ _MIDDLE)
        wedge = np.rint(angle / FIFTH).astype(int) % 5
        off = angle - FIFTH * np.rint(angle / FIFTH)
        middle, across = radius * np.cos(off), radius * np.sin(off)
        caps = [_cap(sign) for sign in (1.0, -1.0)]
        heights = [along * (cap @ _AXIS) + middle * (cap @ _MIDDLE) for cap in caps]
        half = FIFTH / 2
        from_twins = [middle * np.sin(half) + sign * across * np.cos(half) for sign in (1.0, -1.0)]
        all_heights = np.stack([*heights, middle, *from_twins], axis=1)
        return np.asarray((all_heights <= self.distances[wedge] + ON_PLANE).all(axis=1))


def decahedron_grains() -> tuple[Grain, ...]:
    """Return the five wedges of fcc, 70.5° between {111}, widened to 72° at constant volume."""
    from scipy.spatial.transform import Rotation

    widen = np.sqrt(np.tan(FIFTH / 2) * np.sqrt(2))  # tan of half of 70.5° is 1 / √2
    strain = np.outer(_AXIS, _AXIS) + np.outer(_MIDDLE, _MIDDLE) / widen + np.outer(_ACROSS, _ACROSS) * widen
    half = FIFTH / 2
    sides = np.array([-np.sin(half) * _MIDDLE + sign * np.cos(half) * _ACROSS for sign in (1.0, -1.0)])
    # A turn from the middle towards across.
    about = np.cross(_MIDDLE, _ACROSS)
    turns = [Rotation.from_rotvec(about * FIFTH * k).as_matrix() for k in range(5)]
    return tuple(Grain(deformation=turn @ strain, normals=sides @ turn.T) for turn in turns)


def icosahedron_grains() -> tuple[Grain, ...]:
    """Return the twenty tetrahedra of fcc, squeezed along the radius until they close, at constant volume."""
    radial = np.ones(3) / np.sqrt(3)
    golden = (1 + np.sqrt(5)) / 2
    # The tangent of the angle between edge and threefold axis is 1 / √2 in fcc, 2 / φ² in an icosahedron.
    squeeze = np.sqrt(2) * 2 / golden**2
    strain = squeeze ** (1 / 3) * (np.eye(3) + (1 / squeeze - 1) * np.outer(radial, radial))
    corners = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]) @ strain.T
    sides = -np.cross(corners[[0, 1, 2]], corners[[1, 2, 0]])
    sides *= np.sign(-(sides * corners[[2, 0, 1]]).sum(axis=1))[:, None]
    sides /= np.linalg.norm(sides, axis=1, keepdims=True)
    return tuple(
        Grain(deformation=turn @ strain, normals=sides @ turn.T) for turn in _icosahedral_turns(corners[0])
    )


def _icosahedral_turns(fivefold: Float[np.ndarray, "3"]) -> list[Float[np.ndarray, "3 3"]]:
    """Return a rotation onto each of the faces from the first, around [111] with a corner ``fivefold``."""
    from scipy.spatial.transform import Rotation

    face = np.ones(3) / np.sqrt(3)
    fifth = Rotation.from_rotvec(fivefold / np.linalg.norm(fivefold) * FIFTH).as_matrix()
    third = Rotation.from_rotvec(face * 2 * np.pi / 3).as_matrix()
    turns = [np.eye(3)]
    for turn in turns:  # grows as it goes, until every face is reached
        for step in (fifth, third @ fifth, third @ third @ fifth):
            new = step @ turn
            if all(np.linalg.norm(new @ face - old @ face) > 0.1 for old in turns):
                turns.append(new)
    return turns


def require_fcc(crystal: Crystal, shape: str) -> None:
    """Raise an `InputError` unless the atoms of a crystal lie on a cubic face-centred lattice."""
    sites = {tuple(np.round(np.array(point) % 1.0, 3)) for point in crystal.scaled_positions}
    fcc = {tuple(np.round(point, 3)) for point in STRUCTURES["fcc"][0]}
    if sites != fcc or not is_cubic(crystal):
        raise InputError(f"{shape} is a shape of fcc metals, not of {crystal.name}")


def is_cubic(crystal: Crystal) -> bool:
    """Return whether the cell is a cube."""
    vectors = crystal.vectors
    return bool(np.allclose(vectors, vectors[0, 0] * np.eye(3), atol=1e-6))


def _cap(sign: float) -> Float[np.ndarray, "3"]:
    """Return the normal of a cap, {111} of the strained first grain, above (1) or below (-1)."""
    widen = np.sqrt(np.tan(FIFTH / 2) * np.sqrt(2))
    normal = sign * np.sqrt(2) * _AXIS + widen * _MIDDLE
    return np.asarray(normal / np.linalg.norm(normal))
