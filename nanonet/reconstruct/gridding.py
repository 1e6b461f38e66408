"""A map from particle spectra in known poses: weighted least squares on a Fourier grid.

Every spectrum is added to the grid with the weight that its noise leaves it, and so are the weights; their
quotient, held back where the data say little, is the map's transform (RELION: Scheres, J. Struct. Biol.
180, 519 (2012), eq. 5). The point group's operations that turn the grid into itself are applied to the
sums, which costs nothing; only the others add spectra more than once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanonet.reconstruct import fourier_grid
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.point_group import factors, on_grid_and_rest, operations
from nanonet.reconstruct.poses import Poses
from nanonet.reconstruct.project import in_particle

_MOST_POINTS = 1_000_000
_FLOOR = 1e-3
"""Share of a shell's mean weight that is added to every weight: empty places of the grid stay empty."""
_LEAST_RATIO = 1e-3


@dataclass(frozen=True)
class Sums:
    """Weighted spectra and their weights on a Fourier grid: (channel, z, y, x): real, imaginary, weight."""

    grid: Float[Tensor, "3 kz ky kx"]
    side: int

    def plus(self, other: Sums) -> Sums:
        """Return the sums over the particles of both."""
        return Sums(self.grid + other.grid, self.side)


def add_up(
    spectra: Spectra, poses: Poses, point_group: str, noise: Float[Tensor, " k"], chosen: Tensor | None = None
) -> Sums:
    """Return the sums over particles in their poses.

    Parameters
    ----------
    noise
        (highest + 1,) variance of the spectra by shell.
    chosen
        (n,) weight of each particle; None is 1.
    """
    on_grid, rest = on_grid_and_rest(operations(point_group))
    highest = spectra.highest
    side = fourier_grid.grid_side(highest)
    grid = torch.zeros((3, side, side, side))
    trust = 1.0 / noise[spectra.shell]
    step = max(1, _MOST_POINTS // len(spectra.frequencies))
    for start in range(0, len(spectra), step):
        part = slice(start, start + step)
        scale = poses.scale[part, None]
        values = spectra.values[part] * poses.back(spectra, part)
        each = torch.ones(len(scale)) if chosen is None else chosen[part]
        weight = each[:, None] * trust * scale**2
        mean = values / scale.clamp_min(1e-6)
        rows = torch.stack([mean.real * weight, mean.imag * weight, weight]).flatten(1)
        where = in_particle(spectra.frequencies, poses.rotations[part]) * poses.size[part, None, None]
        for one in rest:
            turned = where.reshape(-1, 3) @ torch.as_tensor(one.T, dtype=where.dtype)
            fourier_grid.add(grid, turned, rows)
    return Sums(_symmetrised(grid, on_grid), spectra.side)


def _symmetrised(
    grid: Float[Tensor, "3 kz ky kx"], on_grid: Float[np.ndarray, "h 3 3"]
) -> Float[Tensor, "3 kz ky kx"]:
    """Return the sum over rotations that map the grid to itself, and over conjugate frequencies."""
    for factor in factors(on_grid):
        grid = sum((_turned(grid, rotation) for rotation in factor[1:]), start=_turned(grid, factor[0]))
    mate = grid.flip((1, 2, 3))
    mate[1].neg_()
    return grid + mate


def _turned(
    grid: Float[Tensor, "3 kz ky kx"], rotation: Float[np.ndarray, "3 3"]
) -> Float[Tensor, "3 kz ky kx"]:
    """Return the grid whose value at each frequency is that of the turned frequency."""
    # The grid's axes are z, y, x: coordinate i of the turned frequency is, up to its sign, coordinate of[i].
    of = np.abs(rotation).argmax(1)
    axes = [3 - int(np.flatnonzero(of == 2 - axis)[0]) for axis in range(3)]
    flips = [3 - int(of[i]) for i in range(3) if rotation[i, of[i]] < 0]
    turned = grid.permute(0, *axes)
    return turned.flip(flips) if flips else turned


def signal_to_noise(sums: Sums, highest: int) -> Float[Tensor, " k"]:
    """Return what the sums themselves say of the map's signal over its noise, by shell.

    Without signal the squares of the sums are, on average, their weights.
    """
    shell = _shells(sums.grid.shape[-1])
    inside = (shell <= highest) & (sums.grid[2] > 0)
    index, rows = shell[inside], sums.grid[:, inside]
    power = (rows[0] ** 2 + rows[1] ** 2) / rows[2]
    number = torch.bincount(index, minlength=highest + 1).clamp_min(1)
    return torch.zeros(highest + 1).index_add_(0, index, power) / number - 1.0


def solve(sums: Sums, n: int, ratio: Float[Tensor, " k"]) -> Float[Tensor, "n n n"]:
    """Return the map of n voxels a side that the sums stand for.

    Parameters
    ----------
    n
        At least twice the highest frequency, plus one.
    ratio
        (highest + 1,) signal over noise of the map by shell: its inverse, times the shell's mean weight, is
        added to the weights. What lies beyond is 0.
    """
    highest = len(ratio) - 1
    shell = _shells(sums.grid.shape[-1])
    inside = shell <= highest
    index, rows = shell[inside], sums.grid[:, inside]
    total = torch.zeros(highest + 1).index_add_(0, index, rows[2])
    mean = total / torch.bincount(index, minlength=highest + 1).clamp_min(1)
    held = mean * (_FLOOR + 1.0 / ratio.clamp_min(_LEAST_RATIO))
    quotient = rows[:2] / (rows[2] + held[index]).clamp_min(1e-20)
    grid = torch.zeros((2, *shell.shape))
    grid[:, inside] = quotient
    return (
        fourier_grid.from_grid(torch.complex(grid[0], grid[1]), n)
        / (fourier_grid.OVERSAMPLING * sums.side) ** 3
    )


def _shells(side: int) -> Int[Tensor, "kz ky kx"]:
    square = (torch.arange(side) - side // 2).square()
    radius = (square[:, None, None] + square[:, None] + square).sqrt() / fourier_grid.OVERSAMPLING
    return radius.round().long()
