"""Improve poses continuously: rotation, shift, size and brightness of every particle at once.

Damped Gauss-Newton steps (Levenberg, Marquardt) on the squared difference between a particle's spectrum and
the map's slice, weighted by the noise; the slopes of the slice are those of the trilinear interpolation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from nanonet.reconstruct import fourier_grid
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.poses import Poses
from nanonet.reconstruct.project import in_particle

_MOST_POINTS = 400_000
_DAMPING = (1e-2, 4.0, 0.25)
"""At first, and its factor after a step that was worse and after one that was better."""
_LARGEST_TURN = 0.2
"""Of a step [rad]."""
LARGEST_SIZE = 0.3
"""Logarithm of the largest and smallest sizes."""


def polish(
    grid: Complex[Tensor, "kz ky kx"],
    spectra: Spectra,
    poses: Poses,
    noise: Float[Tensor, " k"],
    *,
    steps: int = 3,
    fit_size: bool = True,
) -> tuple[Poses, Float[Tensor, "n k"]]:
    """Return better poses, and the squared differences that remain, by particle and shell.

    Parameters
    ----------
    grid
        The map's transform.
    noise
        (highest + 1,) variance of the spectra by shell.
    steps
        0 fits the scales alone.
    fit_size
        Whether particles may be larger or smaller than the map.
    """
    size = max(1, _MOST_POINTS // len(spectra.frequencies))
    done = []
    left = []
    for start in range(0, len(spectra), size):
        part = slice(start, start + size)
        some = replace(spectra, values=spectra.values[part])
        found, remains = _polished(grid, some, poses.take(part), noise, steps, fit_size)
        done.append(found)
        left.append(remains)
    return Poses.joined(done), torch.cat(left)


def _polished(
    grid: Complex[Tensor, "kz ky kx"],
    spectra: Spectra,
    poses: Poses,
    noise: Float[Tensor, " k"],
    steps: int,
    fit_size: bool,
) -> tuple[Poses, Float[Tensor, "n k"]]:
    weight = 1.0 / noise[spectra.shell]
    poses, difference = _scaled(grid, spectra, poses, weight)
    if not steps:
        return poses, _by_shell(difference, spectra)
    fit = _Fit(grid, spectra, poses, weight, fit_size)
    damping = torch.full((len(poses),), _DAMPING[0])
    for _ in range(steps):
        tried = _Fit(grid, spectra, fit.stepped(damping), weight, fit_size)
        better = tried.cost < fit.cost
        damping = damping * torch.where(better, _DAMPING[2], _DAMPING[1])
        fit = tried.where(better, fit)
    return fit.poses, _by_shell(fit.difference, spectra)


def _scaled(
    grid: Complex[Tensor, "kz ky kx"], spectra: Spectra, poses: Poses, weight: Float[Tensor, " p"]
) -> tuple[Poses, Complex[Tensor, "n p"]]:
    """Return the poses with the scales that fit best, and the differences from the centred spectra."""
    where = in_particle(spectra.frequencies, poses.rotations) * poses.size[:, None, None]
    model = fourier_grid.read(grid, where)
    data = spectra.values * poses.back(spectra, slice(None))
    across = ((data * model.conj()).real * weight).sum(1)
    own = ((model.real**2 + model.imag**2) * weight).sum(1)
    scale = (across / own.clamp_min(1e-30)).clamp_min(1e-3)
    return replace(poses, scale=scale), data - scale[:, None] * model


class _Fit:
    """The difference of particles from the map in some poses, and its normal equations."""

    def __init__(
        self,
        grid: Complex[Tensor, "kz ky kx"],
        spectra: Spectra,
        poses: Poses,
        weight: Float[Tensor, " p"],
        fit_size: bool,
    ) -> None:
        self.poses, self.spectra = poses, spectra
        count, points = spectra.values.shape
        kx, ky = spectra.frequencies.unbind(1)
        size, scale = poses.size[:, None], poses.scale[:, None]
        where = in_particle(spectra.frequencies, poses.rotations) * size[..., None]
        value, slope = fourier_grid.read_with_slope(grid, where.reshape(-1, 3))
        forth = poses.back(spectra, slice(None)).conj()
        model = value.reshape(count, points) * forth
        slope = slope.reshape(count, points, 3) * forth[..., None]
        gx, gy, gz = (slope @ poses.rotations.mT.to(slope.dtype)).unbind(2)
        turn = 2j * np.pi / spectra.side
        by = [
            -size * ky * gz,
            size * kx * gz,
            size * (ky * gx - kx * gy),
            -turn * kx * model,
            -turn * ky * model,
            model,
        ]
        if fit_size:
            by.append(size * (kx * gx + ky * gy))
        self.difference = spectra.values - scale * model
        root = weight.sqrt()
        columns = torch.stack(
            [one * (root if index == 5 else root * scale) for index, one in enumerate(by)], dim=1
        )
        columns = torch.view_as_real(columns).flatten(2)
        rest = torch.view_as_real(self.difference * root).flatten(1)
        self.normal = columns @ columns.mT
        self.slope = (columns @ rest[..., None])[..., 0]
        self.cost = (rest**2).sum(1)

    def stepped(self, damping: Float[Tensor, " n"]) -> Poses:
        """Return the poses after a step."""
        diagonal = self.normal.diagonal(dim1=1, dim2=2)
        ridge = damping[:, None] * diagonal + 1e-6 * diagonal.amax(1, keepdim=True) * 1e-3 + 1e-20
        change = torch.linalg.solve(
            (self.normal + torch.diag_embed(ridge)).double(), self.slope.double()
        ).float()
        turn = change[:, :3]
        angle = turn.norm(dim=1, keepdim=True).clamp_min(1e-12)
        turn = turn * (_LARGEST_TURN / angle).clamp_max(1.0)
        size = self.poses.size
        if change.shape[1] > 6:
            size = (size.log() + change[:, 6].clamp(-0.1, 0.1)).clamp(-LARGEST_SIZE, LARGEST_SIZE).exp()
        return Poses(
            rotations=_exponential(turn) @ self.poses.rotations,
            shifts=self.poses.shifts + change[:, 3:5].clamp(-2.0, 2.0),
            size=size,
            scale=(self.poses.scale + change[:, 5]).clamp_min(1e-3),
        )

    def where(self, chosen: Tensor, other: _Fit) -> _Fit:
        """Return this one for the chosen particles, and the other for the rest."""
        for name in ("difference", "normal", "slope", "cost"):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, torch.where(chosen.reshape(-1, *(1,) * (mine.ndim - 1)), mine, theirs))
        mine, theirs = vars(self.poses), vars(other.poses)
        self.poses = Poses(
            *(torch.where(chosen.reshape(-1, *(1,) * (mine[n].ndim - 1)), mine[n], theirs[n]) for n in mine)
        )
        return self


def _by_shell(difference: Complex[Tensor, "n p"], spectra: Spectra) -> Float[Tensor, "n k"]:
    """Return the mean square of the difference by particle and shell."""
    square = difference.real**2 + difference.imag**2
    total = torch.zeros(len(square), spectra.highest + 1).index_add_(1, spectra.shell, square)
    return total / torch.bincount(spectra.shell)


def _exponential(turns: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 3"]:
    """Return the rotations about axes by their lengths [rad]."""
    x, y, z = turns.unbind(1)
    zero = torch.zeros_like(x)
    rows = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).reshape(-1, 3, 3)
    rotations: Tensor = torch.linalg.matrix_exp(rows)
    return rotations
