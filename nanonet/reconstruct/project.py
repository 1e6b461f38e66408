"""Projections of a map and their adjoint, by Fourier slices.

The projection along +z of a map turned by R is the plane through the origin of the map's transform that R
turns into the plane of the image (Crowther, Phil. Trans. R. Soc. B 261, 221 (1971)); what lies between grid
points is interpolated in the transform of the map padded to twice its side.
"""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from nanonet.reconstruct import fourier_grid
from nanonet.records import InputError

_MOST_POINTS = 2_000_000
"""Frequencies that are held at a time: bounds the memory."""


def project(density: Float[Tensor, "n n n"], rotations: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b n n"]:
    """Return the sums along the beam of a map turned by each rotation.

    Parameters
    ----------
    density
        (z, y, x), turned about voxel n // 2. What lies outside the ball within the cube is lost in some
        views.
    rotations
        They act on column vectors (x, y, z).

    Raises
    ------
    InputError
        If the map is no cube.
    """
    if len(set(density.shape)) != 1:
        raise InputError(f"a map must be a cube to be projected, got {tuple(density.shape)} voxels")
    n = density.shape[0]
    grid = fourier_grid.to_grid(density, fourier_grid.grid_side(n // 2))
    frequencies, inside = _plane(n, density)
    images = density.new_zeros((len(rotations), n, n))
    for part in _batches(len(rotations), len(frequencies)):
        plane = torch.zeros((len(rotations[part]), n * n), dtype=grid.dtype)
        plane[:, inside] = fourier_grid.read(grid, in_particle(frequencies, rotations[part]))
        images[part] = _images(plane.reshape(-1, n, n))
    return images


def backproject(images: Float[Tensor, "b n n"], rotations: Float[Tensor, "b 3 3"]) -> Float[Tensor, "n n n"]:
    """Return the adjoint of `project`: every image smeared back along its beam, and summed."""
    n = images.shape[-1]
    frequencies, inside = _plane(n, images)
    side = fourier_grid.grid_side(n // 2)
    grid = images.new_zeros((2, side, side, side))
    for part in _batches(len(rotations), len(frequencies)):
        plane = _adjoint_of_images(images[part]).flatten(1)[:, inside]
        where = in_particle(frequencies, rotations[part])
        plane = plane.reshape(-1)
        fourier_grid.add(grid, where.reshape(-1, 3), torch.stack([plane.real, plane.imag]))
    return fourier_grid.from_grid(torch.complex(grid[0], grid[1]), n)


def in_particle(
    frequencies: Float[Tensor, "p 2"], rotations: Float[Tensor, "b 3 3"]
) -> Float[Tensor, "b p 3"]:
    """Return frequencies (x, y) of images in the axes of particles that were turned: Rᵀ (x, y, 0)."""
    return frequencies @ rotations[:, :2].to(frequencies)


def _plane(n: int, like: Tensor) -> tuple[Float[Tensor, "p 2"], Tensor]:
    """Return the frequencies (x, y) of an image within the highest circle, and which of the n² they are."""
    ticks = torch.arange(n) - n // 2
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    inside = (x**2 + y**2 <= ((n - 1) // 2) ** 2).reshape(-1)
    points = torch.stack([x.reshape(-1), y.reshape(-1)], dim=1)[inside]
    return points.to(like), inside


def _images(planes: Complex[Tensor, "b n n"]) -> Float[Tensor, "b n n"]:
    shifted = torch.fft.ifftshift(planes, dim=(1, 2))
    images: Tensor = torch.fft.fftshift(torch.fft.ifft2(shifted).real, dim=(1, 2))
    return images


def _adjoint_of_images(images: Float[Tensor, "b n n"]) -> Complex[Tensor, "b n n"]:
    shifted = torch.fft.ifftshift(images, dim=(1, 2))
    planes: Tensor = torch.fft.fftshift(torch.fft.fft2(shifted, norm="forward"), dim=(1, 2))
    return planes


def _batches(count: int, each: int) -> list[slice]:
    size = max(1, _MOST_POINTS // max(each, 1))
    return [slice(start, start + size) for start in range(0, count, size)]
