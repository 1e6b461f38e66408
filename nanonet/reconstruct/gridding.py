"""A map from particle spectra in known poses: weighted least squares on a Fourier grid.

Every spectrum is added to the grid with the weight that its noise leaves it, and so are the weights; their
quotient, held back where the data say little, is the map's transform (RELION: Scheres, J. Struct. Biol.
180, 519 (2012), eq. 5). The point group's operations that turn the grid into itself are applied to the
sums, which costs nothing; only the others add spectra more than once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanonet.reconstruct import fourier_grid
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.point_group import factors, on_grid_and_rest, operations
from nanonet.reconstruct.poses import Poses
from nanonet.reconstruct.project import in_particle
from nanonet.reconstruct.rotation_grid import super_fibonacci

_MOST_POINTS = 1_000_000
_FLOOR = 1e-3
"""Share of a shell's mean weight that is added to every weight: empty places of the grid stay empty."""
_LEAST_RATIO = 1e-3


@dataclass(frozen=True)
class Sums:
    """Weighted spectra and their weights on the half of a Fourier grid from kx = 0 on.

    Its channels are real part, imaginary part and weight; the other half is conjugate.
    """

    grid: Float[Tensor, "3 kz ky hx"]
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
    on_grid, rest = _parts(point_group)
    if point_group == "K":
        # Rotations spread evenly, and those of I of each, stand for all.
        poses = replace(poses, rotations=_spread(len(spectra)))
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
    grid: Float[Tensor, "3 kz ky kx"], on_grid: list[Float[np.ndarray, "f 3 3"]]
) -> Float[Tensor, "3 kz ky hx"]:
    """Return half of the sum over rotations that map the grid to itself, and over conjugate frequencies."""
    for factor in on_grid:
        grid = sum((_turned(grid, rotation) for rotation in factor[1:]), start=_turned(grid, factor[0]))
    middle = grid.shape[-1] // 2
    half = grid[..., : middle + 1].flip((1, 2, 3))
    half[1].neg_()
    return half.add_(grid[..., middle:])


@lru_cache(maxsize=8)
def _spread(count: int) -> Float[Tensor, "n 3 3"]:
    step = (8 * np.pi**2 / count) ** (1 / 3)
    return torch.as_tensor(super_fibonacci(step), dtype=torch.float32)


@cache
def _parts(
    point_group: str,
) -> tuple[list[Float[np.ndarray, "f 3 3"]], Float[np.ndarray, "c 3 3"]]:
    """Return factors of the rotations that map the grid to itself, and what is left of the group."""
    on_grid, rest = on_grid_and_rest(operations(point_group))
    return factors(on_grid), rest


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
    shell = _shells(sums.grid.shape[1]).clamp_max(highest + 1)
    real, imaginary, weight = sums.grid
    there = weight > 0
    power = torch.where(there, (real**2 + imaginary**2) / weight, 0.0)
    total, number = (_by_shell(one, shell, highest) for one in (power, there.float()))
    return total / number.clamp_min(1) - 1.0


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
    shell = _shells(sums.grid.shape[1]).clamp_max(highest + 1)
    weight = sums.grid[2]
    mean = _by_shell(weight, shell, highest) / _by_shell(torch.ones_like(weight), shell, highest).clamp_min(1)
    held = mean * (_FLOOR + 1.0 / ratio.clamp_min(_LEAST_RATIO))
    beyond = torch.full((1,), torch.inf)
    whole = (weight + torch.cat([held, beyond])[shell]).clamp_min(1e-20)
    grid = torch.complex(sums.grid[0] / whole, sums.grid[1] / whole)
    return fourier_grid.from_half_grid(grid, n) / (fourier_grid.OVERSAMPLING * sums.side) ** 3


def _by_shell(
    values: Float[Tensor, "kz ky hx"], shell: Int[Tensor, "kz ky hx"], highest: int
) -> Float[Tensor, " k"]:
    total = torch.bincount(shell.reshape(-1), values.reshape(-1), minlength=highest + 2)
    return total[: highest + 1].float()


@lru_cache(maxsize=8)
def _shells(side: int) -> Int[Tensor, "kz ky hx"]:
    return (_radii(side) / fourier_grid.OVERSAMPLING).round().long()


def _radii(side: int) -> Float[Tensor, "kz ky hx"]:
    square = (torch.arange(side) - side // 2).square()
    return (square[:, None, None] + square[:, None] + square[side // 2 :]).float().sqrt()
