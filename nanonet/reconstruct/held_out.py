"""What a map of one half of the particles leaves unexplained of those of the other half.

A map can agree with the particles that it was made of, and with a map that went wrong in the same way, and
still be wrong. Particles that had no part in it tell: what it leaves of them, over what the best of other
maps leaves, from nothing (what no shape explains, a ball's) to all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanonet.reconstruct import fourier_grid
from nanonet.reconstruct.climb import view_step
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.point_group import operations
from nanonet.reconstruct.polish import polish
from nanonet.reconstruct.poses import unturned
from nanonet.reconstruct.rotation_grid import view_directions
from nanonet.reconstruct.search import search

_STEPS = 6
_TOLD = 5.0
"""Standard errors by which particles must be told from a ball's projections."""


def left_by(
    maps: tuple[Float[Tensor, "n n n"], Float[Tensor, "m m m"]],
    halves: tuple[Spectra, Spectra],
    point_group: str,
    noise: Float[Tensor, " k"],
) -> Float[Tensor, "p k"]:
    """Return what each half's map leaves of the other half's particles in their best poses there.

    Parameters
    ----------
    maps
        In the point group's standard axes, of any number of voxels.
    halves
        Up to the shell that is looked at.
    noise
        (highest + 1,) variance of the spectra by shell.
    """
    return torch.cat(
        [
            _left(density, particles, point_group, noise)
            for density, particles in zip(maps, halves[::-1], strict=True)
        ]
    )


def _left(
    density: Float[Tensor, "n n n"], particles: Spectra, point_group: str, noise: Float[Tensor, " k"]
) -> Float[Tensor, "p k"]:
    highest, whole = particles.highest, particles.whole()
    grid = fourier_grid.to_grid(density, fourier_grid.grid_side(highest))
    directions = view_directions(view_step(highest, particles), operations(point_group))
    poses = unturned(len(particles))
    found = search(grid, whole, poses, directions, noise)
    _, left = polish(grid, whole, found.poses(found.score.argmax(1), poses), noise, steps=_STEPS)
    return left


@dataclass(frozen=True)
class Yardstick:
    """What maps may leave of some particles: a ball's nearly all of the shape, the best one's nearly nothing.

    Parameters
    ----------
    halves
        Particles, up to the shell that is looked at.
    noise
        (highest + 1,) least mean square that any map left, by shell.
    ball, best
        Mean over the particles of what is left, over the noise.
    round
        Whether particles are not told from balls.
    """

    halves: tuple[Spectra, Spectra]
    noise: Float[Tensor, " k"]
    ball: float
    best: float
    round: bool

    @staticmethod
    def of(
        halves: tuple[Spectra, Spectra], ball: Float[Tensor, "n k"], others: list[Float[Tensor, "n k"]]
    ) -> Yardstick:
        """Return the yardstick that a ball and other maps give by what they leave."""
        noise = torch.stack([one.mean(0) for one in (ball, *others)]).amin(0)
        noise = noise.clamp_min(1e-12 * float(noise.max()) + 1e-30)
        costs = [_costs(one, halves[0], noise) for one in others]
        best = min(costs, key=lambda cost: float(cost.mean()))
        own = _costs(ball, halves[0], noise)
        gain = own - best
        error = float(gain.std()) / np.sqrt(len(gain))
        return Yardstick(
            halves, noise, float(own.mean()), float(best.mean()), float(gain.mean()) < _TOLD * error
        )

    def explained(self, left: Float[Tensor, "n k"]) -> float:
        """Return the share, of what the best map explains beyond a ball, that another one explains."""
        cost = float(_costs(left, self.halves[0], self.noise).mean())
        return (self.ball - cost) / max(self.ball - self.best, 1e-12)


def _costs(left: Float[Tensor, "n k"], spectra: Spectra, noise: Float[Tensor, " k"]) -> Float[Tensor, " n"]:
    """Return what is left over the noise, the mean of a particle's values; the mean intensity is left out."""
    number = torch.bincount(spectra.whole().shell).float()
    number[0] = 0.0
    return (left / noise * number).sum(1) / number.sum()
