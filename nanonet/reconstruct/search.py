"""Compare every particle with a map seen from everywhere: all turns in the plane at once.

The transform of an image that is turned by an angle is turned by it, so that the correlations for all
angles are one inverse Fourier transform along the angle (Joyeux & Penczek, Ultramicroscopy 92, 33 (2002)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nanonet.reconstruct import fourier_grid
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.poses import Poses
from nanonet.reconstruct.project import in_particle
from nanonet.reconstruct.rotation_grid import looking_along

_FINER = 2
"""Angles that are compared, over those that the transforms need."""
_MOST_SCORES = 4_000_000


@dataclass(frozen=True)
class Found:
    """How well each particle fits each direction of view at the best angle in the plane.

    Parameters
    ----------
    score
        (n, v) share of the weighted power of the particle's spectrum that the map explains: 1 is all, and
        what is below 0 is anticorrelated.
    angle
        (n, v) [rad].
    scale
        (n, v) what the map's transform is multiplied by.
    views
        (v, 3, 3) rotations that look along the directions.
    """

    score: Float[Tensor, "n v"]
    angle: Float[Tensor, "n v"]
    scale: Float[Tensor, "n v"]
    views: Float[Tensor, "v 3 3"]

    def poses(self, view: Int[Tensor, " n"], before: Poses) -> Poses:
        """Return the poses with one of the views for each particle."""
        row = torch.arange(len(view))
        angle, scale = self.angle[row, view], self.scale[row, view]
        turn = torch.eye(3).repeat(len(view), 1, 1)
        turn[:, 0, 0] = turn[:, 1, 1] = torch.cos(angle)
        turn[:, 1, 0] = torch.sin(angle)
        turn[:, 0, 1] = -turn[:, 1, 0]
        return replace(before, rotations=turn @ self.views[view], scale=scale.clamp_min(1e-3))


def search(
    grid: Complex[Tensor, "kz ky kx"],
    spectra: Spectra,
    poses: Poses,
    directions: Float[np.ndarray, "v 3"],
    noise: Float[Tensor, " k"],
) -> Found:
    """Compare particles, in their present shifts and sizes, with a map seen along directions.

    Parameters
    ----------
    grid
        The map's transform.
    noise
        (highest + 1,) variance of the spectra by shell.
    """
    radii = torch.arange(1, spectra.highest + 1, dtype=torch.float32)
    count = angles_needed(spectra)
    weight = radii / noise[1:]
    views = torch.as_tensor(looking_along(directions), dtype=torch.float32)
    ring = torch.arange(count // 2) * (2 * np.pi / count)
    polar = (radii[:, None, None] * torch.stack([torch.cos(ring), torch.sin(ring)], dim=1)).reshape(-1, 2)
    seen = fourier_grid.read(grid, in_particle(polar, views)).reshape(len(views), len(radii), -1)
    references = ring_series(seen) * weight.sqrt()[:, None]
    power = series_power(references)
    # Views in which the map has nothing at these frequencies fit nothing.
    norm = power.clamp_min(1e-12 * float(power.max()) + 1e-30)
    particles = ring_series(on_rings(spectra, poses, polar, len(radii))) * weight.sqrt()[:, None]
    own = series_power(particles).clamp_min(1e-30)
    against = references.conj().permute(2, 1, 0)
    parts = []
    step = max(1, _MOST_SCORES // (len(views) * count * _FINER))
    for start in range(0, len(spectra), step):
        part = slice(start, start + step)
        product = torch.bmm(particles[part].permute(2, 0, 1).contiguous(), against.contiguous())
        across = torch.fft.irfft(product.permute(1, 2, 0), n=count * _FINER, norm="forward")
        parts.append(across.max(2))
    best = torch.cat([part.values for part in parts])
    angle = torch.cat([part.indices for part in parts]) * (2 * np.pi / (count * _FINER))
    score = best * best.abs() / (norm * own[:, None])
    return Found(score, angle, best / norm, views)


def angles_needed(spectra: Spectra) -> int:
    """Return how many angles of a ring tell all that it holds of a particle within its circle."""
    most = 2 * np.pi * spectra.highest * spectra.radius / spectra.side
    return 4 * int(np.ceil((2 * most + 6) / 4))


def ring_series(half_rings: Complex[Tensor, "n r t"]) -> Complex[Tensor, "n r m"]:
    """Return the Fourier series along rings of which one half is given: the other is its conjugate."""
    whole = torch.cat([half_rings, half_rings.conj()], dim=2)
    half = half_rings.shape[2]
    series: Tensor = torch.fft.fft(whole, norm="forward")
    return series[..., : half + 1]


def series_power(series: Complex[Tensor, "n r m"]) -> Float[Tensor, " n"]:
    """Return the power of whole series of which the orders from 0 on are given, an even number of angles."""
    square = series.real**2 + series.imag**2
    return 2 * square.sum((1, 2)) - square[..., 0].sum(1) - square[..., -1].sum(1)


def on_rings(
    spectra: Spectra, poses: Poses, polar: Float[Tensor, "p 2"], rings: int
) -> Complex[Tensor, "n r t"]:
    """Return the spectra on rings, read between the points of their oversampled plane.

    The rings of larger particles are narrower by as much: they then are those of the map.
    """
    side = 2 * spectra.highest + 2
    line = fourier_grid.line_window(side)
    size = fourier_grid.OVERSAMPLING * side
    padded = torch.zeros((len(spectra), size, size))
    at = fourier_grid.wrapped(side, size)
    padded[:, at[:, None], at] = _small_images(spectra, poses, side) / (line[:, None] * line)
    plane = torch.fft.fftshift(torch.fft.fft2(padded), dim=(1, 2))
    # Point size // 2 is frequency 0; -1 and 1 are the first and the last point.
    place = fourier_grid.OVERSAMPLING * polar.reshape(rings, -1, 2) / poses.size[:, None, None, None]
    place = (place + size // 2) * (2 / (size - 1)) - 1
    planes = torch.stack([plane.real, plane.imag], dim=1)
    values = torch.nn.functional.grid_sample(planes, place, mode="bilinear", align_corners=True)
    return torch.complex(values[:, 0], values[:, 1])


def _small_images(spectra: Spectra, poses: Poses, side: int) -> Float[Tensor, "n s s"]:
    """Return centred images of the pixels that the spectra need."""
    plane = torch.zeros((len(spectra), side, side // 2 + 1), dtype=torch.complex64)
    column, row = spectra.frequencies.long().unbind(1)
    plane[:, row % side, column] = spectra.values * poses.back(spectra, slice(None))
    lower = (column == 0) & (row > 0)
    plane[:, -row[lower] % side, 0] = plane[:, row[lower], 0].conj()
    images: Tensor = torch.fft.fftshift(torch.fft.irfft2(plane, s=(side, side)), dim=(1, 2))
    return images
