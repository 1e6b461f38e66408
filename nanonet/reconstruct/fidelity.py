"""How well a map explains images of particles: correlations as a person would state them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import binary_dilation, gaussian_filter

from nanonet.reconstruct import fourier_grid
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.poses import Poses
from nanonet.reconstruct.project import in_particle
from nanonet.records import ParticleImages

_SMOOTH = 1.5
_SHARE = 0.15
_MARGIN = 2
_AT_ONCE = 64


def footprints(particles: ParticleImages) -> Bool[np.ndarray, "n y x"]:
    """Return the pixels of each particle: where its smoothed image exceeds 15 % of its maximum, and 2 more.

    They are of the image alone, the same whatever map it is compared with.
    """
    found = np.zeros(particles.images.shape, dtype=bool)
    for inside, image in zip(found, particles.images, strict=True):
        smoothed = gaussian_filter(np.asarray(image, dtype=np.float64), _SMOOTH)
        inside[:] = binary_dilation(smoothed > _SHARE * smoothed.max(), iterations=_MARGIN)
    return found


def correlations(
    density: Float[np.ndarray, "s s s"],
    particles: ParticleImages,
    spectra: Spectra,
    poses: Poses,
    centre: Float[np.ndarray, "n 2"],
) -> Float[np.ndarray, " n"]:
    """Return Pearson's coefficient of each particle and the map's projection in its pose, on its footprint.

    Parameters
    ----------
    density
        Of as many voxels a side as the images have pixels.
    centre
        (y, x) that the spectra are about [pixel].
    """
    inside = footprints(particles)
    projected = projections(density, spectra, poses, centre)
    found = np.empty(len(particles))
    for index, (image, model, part) in enumerate(zip(particles.images, projected, inside, strict=True)):
        a, b = image[part] - image[part].mean(), model[part] - model[part].mean()
        found[index] = (a * b).sum() / max(np.sqrt((a**2).sum() * (b**2).sum()), 1e-30)
    return found


def projections(
    density: Float[np.ndarray, "s s s"], spectra: Spectra, poses: Poses, centre: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n s s"]:
    """Return the map's projections where, and as large as, the particles are in their images."""
    n = spectra.side
    whole = spectra.whole()
    grid = fourier_grid.to_grid(
        torch.as_tensor(np.asarray(density, dtype=np.float32)), fourier_grid.grid_side(n // 2)
    )
    at = torch.as_tensor(centre[:, ::-1].copy(), dtype=torch.float32)
    placed = replace(poses, shifts=poses.shifts + at)
    column, row = whole.frequencies.long().unbind(1)
    lower = (column == 0) & (row > 0)
    images = []
    for start in range(0, len(poses), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        some = placed.take(part)
        where = in_particle(whole.frequencies, some.rotations) * some.size[:, None, None]
        values = fourier_grid.read(grid, where) * some.back(whole, slice(None)).conj() * some.scale[:, None]
        plane = torch.zeros((len(some), n, n // 2 + 1), dtype=torch.complex64)
        plane[:, row % n, column] = values
        plane[:, -row[lower] % n, 0] = values[:, lower].conj()
        images.append(torch.fft.fftshift(torch.fft.irfft2(plane, s=(n, n)), dim=(1, 2)))
    return torch.cat(images).numpy()
