"""Particles seen from nearly the same side, turned alike and averaged, beside the map from there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.ndimage import affine_transform

from nanonet.reconstruct.point_group import operations
from nanonet.reconstruct.project import project
from nanonet.reconstruct.reconstruction import Reconstruction
from nanonet.reconstruct.rotation_grid import looking_along, view_directions
from nanonet.records import ParticleImages

_LEAST = 3


@dataclass(frozen=True, kw_only=True)
class ClassAverages:
    """Averages of particles seen from v sides, and the map's projections.

    Parameters
    ----------
    averages, projections
        (v, y, x) centred on pixel n // 2, at the size of the map, in the unit of the images.
    counts
        (v,) particles of each average.
    """

    averages: Float[np.ndarray, "v y x"]
    projections: Float[np.ndarray, "v y x"]
    counts: Int[np.ndarray, " v"]


def class_averages(found: Reconstruction, particles: ParticleImages, *, views: int = 8) -> ClassAverages:
    """Return averages over as many views as asked for, spread over the asymmetric unit.

    Each takes the particles seen from nearest by: of all views half of the particles, but at least 3 each.

    Parameters
    ----------
    particles
        That the map was made of, in its order.
    """
    group = operations(found.point_group)
    sides = _spread(group, views)
    turned = np.einsum("nij,gjk->ngik", found.orientations.rotations, group)
    near = turned[:, :, 2] @ sides.T
    number = min(len(particles), max(_LEAST, len(particles) // (2 * len(sides))))
    averages = []
    for view, side in enumerate(looking_along(sides)):
        closest = np.argsort(-near[:, :, view].max(1), kind="stable")[:number]
        same = turned[closest, near[closest, :, view].argmax(1)]
        images = [
            _upright(found, particles, index, rotation @ side.T)
            for index, rotation in zip(closest, same, strict=True)
        ]
        averages.append(np.mean(images, axis=0))
    density = torch.as_tensor(np.asarray(found.volume.density, dtype=np.float32))
    projections = project(density, torch.as_tensor(looking_along(sides), dtype=torch.float32))
    return ClassAverages(
        averages=np.stack(averages), projections=projections.numpy(), counts=np.full(len(sides), number)
    )


def _spread(group: Float[np.ndarray, "g 3 3"], views: int) -> Float[np.ndarray, "v 3"]:
    """Return directions in the asymmetric unit, each the furthest from all before it."""
    grid = view_directions(np.sqrt(4 * np.pi / (len(group) * 40 * views)), group)
    chosen = [grid[0]]
    far = np.full(len(grid), np.inf)
    while len(chosen) < min(views, len(grid)):
        near = np.abs(np.einsum("gij,j->gi", group, chosen[-1]) @ grid.T).max(0)
        far = np.minimum(far, 1.0 - near)
        chosen.append(grid[int(far.argmax())])
    return np.stack(chosen)


def _upright(
    found: Reconstruction, particles: ParticleImages, index: int, turn: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "y x"]:
    """Return a particle's image turned back in its plane, centred, at the size and brightness of the map."""
    image = np.asarray(particles.images[index], dtype=np.float64)
    angle = np.arctan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1])
    cosine, sine = np.cos(angle) * found.sizes[index], np.sin(angle) * found.sizes[index]
    # On (y, x): the place in the image of what lies at a place in the view.
    matrix = np.array([[cosine, sine], [-sine, cosine]])
    centre = np.full(2, image.shape[0] // 2)
    place = centre + found.orientations.shifts[index] / particles.pixel_size
    upright = affine_transform(image, matrix, place - matrix @ centre, order=1)
    # The image of a body s times as large has its sum on s² times as many pixels.
    return np.asarray(upright * found.sizes[index] ** 2 / found.intensities[index])
