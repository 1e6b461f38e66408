"""All that is true of an image, in its own frame: columns, particles, thickness, orientation, atoms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from simulate.projected import (
    Window,
    estimated_volume,
    neighbour_distance,
    projected_outline,
    projected_sum,
    window_around,
)
from simulate.specimen import COUNTED, DISPLACEMENT, INSTANCE
from simulate.truth import Columns, columns_of
from simulate.view import View

if TYPE_CHECKING:
    from ase import Atoms


class Known(Protocol):
    """Atoms and what is known of them: a specimen, or what a shard holds."""

    @property
    def atoms(self) -> Atoms:
        """With the per-atom arrays of `simulate.specimen`."""

    @property
    def about(self) -> Mapping[str, Any]:
        """Of it ``rotation`` and ``atomic_volume`` are looked at."""


@dataclass(frozen=True, kw_only=True)
class ParticleTruth:
    """A particle on the pixels of an image, also where others lie over it.

    Parameters
    ----------
    instance
        1, 2, ... as its atoms are marked.
    centre
        (y, x, z) mean position of its atoms [Å], also of those beyond the frame.
    volume
        Of the whole particle [Å³]: its atoms times the mean volume of an atom.
    window
        The pixels of the image that the maps are of.
    mask
        (h, w) pixels that it covers, as `simulate.projected.projected_outline` defines it.
    thickness
        (h, w) along the beam [Å], smoothed by `simulate.projected.projected_sum`: at its rim it runs out
        over the mask by about half a neighbour distance, so that the volume is kept.
    displacement
        (2, h, w) mean static displacement (y, x) [Å] of its counted atoms along the beam; NaN off the mask.
    """

    instance: int
    centre: tuple[float, float, float]
    volume: float
    window: Window
    mask: Bool[np.ndarray, "h w"]
    thickness: Float[np.ndarray, "h w"]
    displacement: Float[np.ndarray, "2 h w"]

    @property
    def place(self) -> tuple[slice, slice]:
        """Where the maps lie in the image."""
        (y, x), (h, w) = self.window.corner, self.window.shape
        return slice(y, y + h), slice(x, x + w)


@dataclass(frozen=True, kw_only=True)
class FrameTruth:
    """What is true of an image.

    Parameters
    ----------
    view
        Where its pixels lie in the box of the specimen.
    columns
        Those that project onto it, anion columns too; see `Columns.counted`.
    particles
        Those that reach onto it, the one that the beam meets first first.
    orientation
        (3, 3) from the frame of the first instance's crystal to that of the image (x to the right, y down, z
        along the beam): orthogonal, its determinant is -1 where the view is mirrored, which no rotation is.
        Where a drift shears the image it is that of the nearest image without shear. None where unknown.
    atoms
        Those that project onto the image, surroundings too: (x, y) from the centre of its first pixel, z in
        the box [Å]; displacements as seen.
    """

    view: View
    columns: Columns
    particles: tuple[ParticleTruth, ...]
    orientation: Float[np.ndarray, "3 3"] | None
    atoms: Atoms

    @property
    def rotation(self) -> Float[np.ndarray, "3 3"] | None:
        """A rotation that gives the same image of a crystal with a centre of symmetry."""
        if self.orientation is None:
            return None
        return np.asarray(self.orientation * np.sign(np.linalg.det(self.orientation)))

    @cached_property
    def labels(self) -> Int[np.ndarray, "y x"]:
        """Instance on every pixel, that which the beam meets first where several overlap; 0 for none."""
        labels = np.zeros(self.view.shape, dtype=np.int32)
        for particle in reversed(self.particles):
            labels[particle.place][particle.mask] = particle.instance
        return labels

    @property
    def mask(self) -> Bool[np.ndarray, "y x"]:
        """Pixels that any particle covers."""
        return np.asarray(self.labels > 0)

    @cached_property
    def thickness(self) -> Float[np.ndarray, "y x"]:
        """Thickness of all particles together [Å]."""
        total = np.zeros(self.view.shape, dtype=np.float32)
        for particle in self.particles:
            total[particle.place] += particle.thickness
        return total

    @cached_property
    def displacement(self) -> Float[np.ndarray, "2 y x"]:
        """Mean static displacement (y, x) [Å] of the particle that ``labels`` names; NaN off all."""
        field = np.full((2, *self.view.shape), np.nan, dtype=np.float32)
        for particle in reversed(self.particles):
            field[(slice(None), *particle.place)][:, particle.mask] = particle.displacement[:, particle.mask]
        return field

    def amodal(self, instance: int) -> Bool[np.ndarray, "y x"]:
        """Return the pixels that a particle covers, whether others lie over it or not."""
        mask = np.zeros(self.view.shape, dtype=bool)
        for particle in self.particles:
            if particle.instance == instance:
                mask[particle.place] = particle.mask
        return mask


def frame_truth(known: Known, view: View) -> FrameTruth:
    """Return what is true of an image.

    Parameters
    ----------
    known
        A shard, or a specimen. Where ``about`` has no atomic_volume [Å³] it is estimated from the atoms.
    view
        Of the image.
    """
    atoms, rotation = known.atoms, known.about.get("rotation")
    turned = _turned(atoms, view)
    owners = atoms.arrays[INSTANCE]
    particles = []
    for instance in np.unique(owners[owners > 0]):
        own = owners == instance
        volume = known.about.get("atomic_volume") or estimated_volume(atoms.positions[own])
        particles.append(_particle(int(instance), turned[own], float(volume), view))
    found = [particle for particle in particles if particle.mask.any()]
    return FrameTruth(
        view=view,
        columns=columns_of(atoms).seen(view),
        particles=tuple(sorted(found, key=lambda particle: particle.centre[2])),
        orientation=None if rotation is None else _frame_of(view) @ np.asarray(rotation, dtype=float),
        atoms=turned[view.contains(turned.positions[:, 1::-1])],
    )


def _turned(atoms: Atoms, view: View) -> Atoms:
    """Return atoms in the frame of an image."""
    seen = atoms.copy()
    seen.set_cell(None)
    seen.pbc = False
    seen.positions[:, :2] = view.to_image(atoms.positions[:, 1::-1])[:, ::-1]
    moved = atoms.arrays[DISPLACEMENT].copy()
    moved[:, 1::-1] = moved[:, 1::-1] @ np.linalg.inv(view.axes).T
    seen.set_array(DISPLACEMENT, moved)
    return seen


def _frame_of(view: View) -> Float[np.ndarray, "3 3"]:
    """Return what turns vectors (x, y, z) of the box into the image's frame, without any shear."""
    left, _, right = np.linalg.svd(np.linalg.inv(view.axes))
    frame = np.eye(3)
    frame[:2, :2] = (left @ right)[::-1, ::-1]
    return frame


def _particle(instance: int, atoms: Atoms, atomic_volume: float, view: View) -> ParticleTruth:
    """Return what an image shows of a particle, from its atoms in the frame of the image."""
    points, counted = atoms.positions[:, 1::-1], atoms.arrays[COUNTED]
    counted = counted if counted.any() else np.ones(len(atoms), dtype=bool)
    volume = len(atoms) * atomic_volume
    distance = neighbour_distance(volume / counted.sum())
    # Four standard deviations of the smoothing.
    window = window_around(points, 2 * distance, view.shape, view.pixel_size)
    mask = projected_outline(points, distance, window) if all(window.shape) else np.zeros(window.shape, bool)
    moved = atoms.arrays[DISPLACEMENT][:, 1::-1].T
    sums = projected_sum(points, np.vstack([np.ones(len(atoms)), counted, counted * moved]), distance, window)
    with np.errstate(invalid="ignore", divide="ignore"):
        displacement = np.where(mask, sums[2:] / sums[1], np.nan).astype(np.float32)
    # An image that a drift has drawn out shows an area larger than it is.
    thickness = (atomic_volume / abs(np.linalg.det(view.axes)) * sums[0]).astype(np.float32)
    y, x, z = (float(value) for value in atoms.positions.mean(axis=0)[[1, 0, 2]])
    return ParticleTruth(
        instance=instance,
        centre=(y, x, z),
        volume=volume,
        window=window,
        mask=mask,
        thickness=thickness,
        displacement=displacement,
    )
