"""How particles move as rigid bodies: not at all, tumbling, one towards another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.structures.particle import Particle

Axes = Sequence[Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Poses:
    """Where particles are at a number of times: their atoms lie at rotation · r + shift.

    Parameters
    ----------
    rotations
        (t, particle, 3, 3).
    shifts
        (t, particle, 3) (x, y, z) [Å].
    contact
        First of the times at which particles touch, None where they never do.
    """

    rotations: Float[np.ndarray, "t p 3 3"]
    shifts: Float[np.ndarray, "t p 3"]
    contact: int | None = None


class Motion(Protocol):
    """A rigid motion."""

    @property
    def particles(self) -> int:
        """How many particles take part."""

    @property
    def zone_axes(self) -> Axes:
        """Families <uvw> along which columns are seen as the particles turn; none where these never turn."""

    @property
    def near(self) -> float:
        """Angle between zone axis and beam up to which atoms are told in columns [degrees]."""

    def poses(
        self, particles: Sequence[Particle], times: Float[np.ndarray, " t"], rng: np.random.Generator
    ) -> Poses:
        """Return the poses at times [s], the first of them 0."""


@dataclass(frozen=True, kw_only=True)
class Still:
    """One particle that stays where it is; drift is a matter of the film."""

    particles: ClassVar[int] = 1
    zone_axes: ClassVar[Axes] = ()
    near: ClassVar[float] = 0.0

    def poses(
        self, particles: Sequence[Particle], times: Float[np.ndarray, " t"], rng: np.random.Generator
    ) -> Poses:
        """Return the same pose for every time."""
        return _at_rest(len(times), len(particles))


@dataclass(frozen=True, kw_only=True)
class Tumbling:
    """One particle that turns about an axis and, besides, at random: rotational diffusion.

    Parameters
    ----------
    rate
        Degrees a second.
    axis
        (x, y, z) in the frame of the beam; None for a random one.
    diffusion
        Coefficient D of the rotational diffusion [rad²/s]: about each axis it adds angles of variance 2 D t.
    zone_axes, near
        See `Motion`.
    """

    rate: float = 2.0
    axis: Sequence[float] | None = None
    diffusion: float = 1e-4
    zone_axes: Axes = ((1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 1, 2))
    near: float = 2.0
    particles: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.diffusion >= 0:
            raise InputError(f"diffusion must not be negative, got {self.diffusion} rad²/s")
        if self.axis is not None and (len(self.axis) != 3 or not any(self.axis)):
            raise InputError(f"axis must be a direction [x, y, z], got {self.axis}")
        if not 0 <= self.near < 10:
            raise InputError(f"near must lie within 0 and 10 degrees, got {self.near}")

    def poses(
        self, particles: Sequence[Particle], times: Float[np.ndarray, " t"], rng: np.random.Generator
    ) -> Poses:
        """Return rotations about the origin: from one time to the next a turn and a random one."""
        from scipy.spatial.transform import Rotation

        axis = rng.standard_normal(3) if self.axis is None else np.array(self.axis, dtype=float)
        turn = np.radians(self.rate) * axis / np.linalg.norm(axis)
        poses = _at_rest(len(times), len(particles))
        rotation = Rotation.identity()
        for index, step in enumerate(np.diff(times), start=1):
            jitter = np.sqrt(2 * self.diffusion * step) * rng.standard_normal(3)
            rotation = Rotation.from_rotvec(turn * step + jitter) * rotation
            poses.rotations[index] = rotation.as_matrix()
        return poses


@dataclass(frozen=True, kw_only=True)
class Approach:
    """Two particles: the second comes to the first across the beam, touches it, and stays.

    Parameters
    ----------
    gap
        Between them at first [Å].
    speed
        Å/s.
    """

    gap: float = 6.0
    speed: float = 2.0
    particles: ClassVar[int] = 2
    zone_axes: ClassVar[Axes] = ()
    near: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        if not self.gap >= 0:
            raise InputError(f"gap must not be negative, got {self.gap} Å")
        if not self.speed > 0:
            raise InputError(f"speed must be positive, got {self.speed} Å/s")

    def poses(
        self, particles: Sequence[Particle], times: Float[np.ndarray, " t"], rng: np.random.Generator
    ) -> Poses:
        """Return shifts: the first particle rests, the second comes from a random side."""
        angle = rng.uniform(0, 2 * np.pi)
        way = np.array([np.cos(angle), np.sin(angle), 0.0])
        touching = _touch(particles[0], particles[1], way)
        left = np.maximum(self.gap - self.speed * np.asarray(times), 0.0)
        poses = _at_rest(len(times), len(particles))
        poses.shifts[:, 1] = (touching + left)[:, None] * way
        arrived = np.flatnonzero(left == 0)
        return Poses(
            rotations=poses.rotations,
            shifts=poses.shifts,
            contact=int(arrived[0]) if len(arrived) else None,
        )


def _at_rest(times: int, particles: int) -> Poses:
    rotations = np.broadcast_to(np.eye(3), (times, particles, 3, 3)).copy()
    return Poses(rotations=rotations, shifts=np.zeros((times, particles, 3)))


def _touch(fixed: Particle, coming: Particle, way: Float[np.ndarray, " 3"]) -> float:
    """Return how far along ``way`` the second particle is when it touches the first [Å].

    Touching is the distance of next counted atoms of the first, or of unlike ions in an oxide.
    """
    from scipy.spatial import cKDTree

    first, second = fixed.atoms().positions, coming.atoms().positions
    tree = cKDTree(first)
    contact = float(np.median(tree.query(first, k=2)[0][:, 1]))
    reach = np.linalg.norm(first, axis=1).max() + np.linalg.norm(second, axis=1).max()
    place = float(reach + contact)
    for _ in range(1000):
        # Moving by less than the gap cannot carry an atom through another one.
        gap = float(tree.query(second + place * way)[0].min()) - contact
        if gap < 1e-3:
            break
        place -= gap
    return place
