"""How a particle lies in the beam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.crystals import Crystal, direction, turn_onto_beam, zone_axis_along
from simulate.structures.solids import Solid


@dataclass(frozen=True, kw_only=True)
class Pose:
    """A drawn orientation.

    Parameters
    ----------
    rotation
        (3, 3) turns the crystal's frame so that the zone axis lies along +z.
    mistilt
        Angles about x and y [rad] of the small rotation after that.
    zone_axis
        [uvw] along the beam before the mistilt, None where the beam is along none.
    """

    rotation: Float[np.ndarray, "3 3"]
    mistilt: tuple[float, float] = (0.0, 0.0)
    zone_axis: tuple[int, int, int] | None = None

    def tilt(self) -> Float[np.ndarray, "3 3"]:
        """Return the mistilt as a rotation (Rodrigues)."""
        from scipy.spatial.transform import Rotation

        return np.asarray(Rotation.from_rotvec([*self.mistilt, 0.0]).as_matrix())


class Orientation(Protocol):
    """A family of orientations."""

    def draw(self, crystal: Crystal, solid: Solid, rng: np.random.Generator) -> Pose:
        """Draw how a solid of a crystal lies in the beam."""


@dataclass(frozen=True, kw_only=True)
class ZoneAxis:
    """A zone axis near the beam, any rotation about it.

    Parameters
    ----------
    axes
        [uvw], one drawn a particle; of a multiply twinned one, of its first grain, whose [110] is the
        fivefold axis of a decahedron, and whose [110], [111] and [211] are a five-, three- and twofold axis
        of an icosahedron.
    mistilt
        Largest angle between zone axis and beam [degrees]; its direction is random.
    in_plane
        Rotation about the beam [degrees], lowest and highest.
    """

    axes: Sequence[Sequence[int]] = ((1, 1, 0),)
    mistilt: float = 0.5
    in_plane: Sequence[float] = (0.0, 360.0)

    def __post_init__(self) -> None:
        if not self.axes or any(len(axis) != 3 or not any(axis) for axis in self.axes):
            raise InputError(f"axes must be directions [u, v, w], got {[list(axis) for axis in self.axes]}")
        if not 0 <= self.mistilt < 45:
            raise InputError(f"mistilt must be 0 to 45 degrees, got {self.mistilt}")

    def draw(self, crystal: Crystal, solid: Solid, rng: np.random.Generator) -> Pose:
        """Draw how a solid of a crystal lies in the beam."""
        u, v, w = self.axes[int(rng.integers(len(self.axes)))]
        along = direction((u, v, w), crystal)
        if solid.grains:
            along = solid.grains[0].deformation @ along
            along /= np.linalg.norm(along)
        turn = np.radians(rng.uniform(self.in_plane[0], self.in_plane[1]))
        return Pose(
            rotation=turn_onto_beam(along, turn),
            mistilt=draw_mistilt(self.mistilt, rng),
            zone_axis=(int(u), int(v), int(w)),
        )


@dataclass(frozen=True, kw_only=True)
class RandomOrientation:
    """Every orientation alike, uniform on SO(3): columns are along no beam, and none are told."""

    def draw(self, crystal: Crystal, solid: Solid, rng: np.random.Generator) -> Pose:
        """Draw how a solid of a crystal lies in the beam."""
        from scipy.spatial.transform import Rotation

        return Pose(rotation=Rotation.random(random_state=rng).as_matrix())


@dataclass(frozen=True, kw_only=True)
class LyingFlat:
    """Plates and rods that lie flat on a film; a rod is turned at random about its axis.

    Parameters
    ----------
    mistilt
        Largest angle by which it is off that [degrees].
    """

    mistilt: float = field(default=3.0)

    def draw(self, crystal: Crystal, solid: Solid, rng: np.random.Generator) -> Pose:
        """Draw how a solid of a crystal lies in the beam.

        Raises
        ------
        InputError
            If it is neither a plate nor a rod.
        """
        from scipy.spatial.transform import Rotation

        along, about = solid.rests_on, solid.lies_about
        if along is None:
            raise InputError("LyingFlat is for shapes that lie flat: Plate and Rod")
        if about is not None:
            along = Rotation.from_rotvec(about * rng.uniform(0, 2 * np.pi)).as_matrix() @ along
        return Pose(
            rotation=turn_onto_beam(along, rng.uniform(0, 2 * np.pi)),
            mistilt=draw_mistilt(self.mistilt, rng),
            zone_axis=None if about is not None else zone_axis_along(along, crystal),
        )


def draw_mistilt(largest: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return angles about x and y [rad] of a tilt of up to ``largest`` [degrees] in any direction."""
    angle, towards = np.radians(rng.uniform(0, largest)), rng.uniform(0, 2 * np.pi)
    return float(angle * np.cos(towards)), float(angle * np.sin(towards))
