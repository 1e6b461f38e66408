"""Which of several maps each particle fits best, and in which pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from nanonet.reconstruct import fourier_grid
from nanonet.reconstruct.climb import lengthened, shell_of, view_step
from nanonet.reconstruct.fidelity import correlations
from nanonet.reconstruct.images import Spectra, centres, check, spectra
from nanonet.reconstruct.point_group import operations
from nanonet.reconstruct.polish import polish
from nanonet.reconstruct.poses import Poses, unturned
from nanonet.reconstruct.rotation_grid import view_directions
from nanonet.reconstruct.search import search
from nanonet.records import InputError, Orientations, ParticleImages, Volume

_DETAIL = 9.0
"""Details across the particles that are compared."""
_REACH = 2.05
"""Radius of the circle that particles are looked for in, over their projections' radius of gyration."""
_STEPS = 6


@dataclass(frozen=True, kw_only=True)
class MapScores:
    """How well each of n particles fits each of m maps in its best pose there.

    Parameters
    ----------
    correlations
        (n, m) Pearson's coefficient of particle and projection, on the particle's footprint.
    orientations
        One for each map, all particles in the order of their images; ``class_ids`` are the number of the map.
    sizes
        (n, m) of the particle over the map.
    intensities
        (n, m) sum of the particle over that of the map.
    """

    correlations: Float[np.ndarray, "n m"]
    orientations: tuple[Orientations, ...]
    sizes: Float[np.ndarray, "n m"]
    intensities: Float[np.ndarray, "n m"]


def score(particles: ParticleImages, volumes: Sequence[Volume], *, point_groups: Sequence[str]) -> MapScores:
    """Return how well particles fit maps, each in the best pose, size and brightness.

    Parameters
    ----------
    volumes
        In their point groups' standard axes; of as many voxels as the images have pixels, and as large. A
        half map keeps particles apart from a map that they helped to make.
    point_groups
        One for each map.

    Raises
    ------
    InputError
        If maps and images differ in shape or in the size of their pixels, if a map is of nothing, or if
        images cannot be used.
    """
    check(particles, fewest=1)
    for volume in volumes:
        side = particles.images.shape[1]
        if volume.density.shape != (side,) * 3 or not np.isclose(volume.voxel_size, particles.pixel_size):
            raise InputError(
                f"maps must have {side} voxels a side of {particles.pixel_size:g} Å, as the images; "
                f"got {volume.density.shape} of {volume.voxel_size:g} Å"
            )
        if not volume.density.sum() > 0:
            raise InputError("a map to compare with must be of something: its voxels sum up to 0 or less")
    centre, gyration = centres(particles)
    every = spectra(particles, centre, _REACH * float(np.median(gyration)))
    found = [_fitted(volume, every, group) for volume, group in zip(volumes, point_groups, strict=True)]
    unit = float(particles.images.sum((1, 2)).mean())
    return MapScores(
        correlations=np.stack(
            [
                correlations(volume.density, particles, every, poses, centre)
                for volume, poses in zip(volumes, found, strict=True)
            ],
            axis=1,
        ),
        orientations=tuple(
            orientations_of(poses, centre, particles, class_id) for class_id, poses in enumerate(found)
        ),
        sizes=np.stack([poses.size.double().numpy() for poses in found], axis=1),
        intensities=np.stack(
            [
                poses.scale.double().numpy() * unit / float(volume.density.sum())
                for volume, poses in zip(volumes, found, strict=True)
            ],
            axis=1,
        ),
    )


def orientations_of(
    poses: Poses, centre: Float[np.ndarray, "n 2"], particles: ParticleImages, class_id: int
) -> Orientations:
    """Return poses about given centres [pixel] as a record."""
    return Orientations(
        rotations=poses.rotations.double().numpy(),
        shifts=(centre + poses.shifts.double().numpy()[:, ::-1]) * particles.pixel_size,
        particle_ids=np.asarray(particles.particle_ids),
        class_ids=np.full(len(particles), class_id),
    )


def _fitted(volume: Volume, every: Spectra, point_group: str) -> Poses:
    """Return the best poses: by a search with the noise that a search leaves, then improved continuously."""
    highest = shell_of(_DETAIL, every)
    whole = every.up_to(highest).whole()
    density = torch.as_tensor(np.asarray(volume.density, dtype=np.float32))
    density = density / density.sum()  # as bright as the spectra
    grid = fourier_grid.to_grid(density, fourier_grid.grid_side(highest))
    directions = view_directions(view_step(highest, every), operations(point_group))
    poses = unturned(len(every))
    noise = lengthened(torch.ones(1), highest)
    for _ in range(2):
        found = search(grid, whole, poses, directions, noise)
        # Maps of another kind fit some particles badly: the noise is what is left of most.
        poses, left = polish(grid, whole, found.poses(found.score.argmax(1), poses), noise, steps=0)
        noise = left.median(0).values.clamp_min(1e-12 * float(left.mean()) + 1e-30)
    return polish(grid, whole, poses, noise, steps=_STEPS)[0]
