"""A map from nothing: stochastic hill climbing from a random shape, coarse to fine.

Every round compares each particle with the present map seen from everywhere, and gives it, of all
directions that fit it better than its own does, one by chance; not the best one, which would hold it in the
nearest local optimum (PRIME: Elmlund, Elmlund & Bengio, Structure 21, 1299 (2013); SIMPLE: Reboul et al.,
Protein Sci. 27, 51 (2018)). Angles in the plane are always the best. The last rounds take the best
direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation
from torch import Tensor

from nanonet.reconstruct import fourier_grid, gridding
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.mask import ball_like, ball_mask, distances
from nanonet.reconstruct.point_group import operations
from nanonet.reconstruct.polish import polish
from nanonet.reconstruct.poses import Poses
from nanonet.reconstruct.rotation_grid import view_directions
from nanonet.reconstruct.search import search

_POLISHED = 4
_POWERS = (3, 4, 6, 8)
"""Of the cosine of the angle from a random direction and its equivalents: waves of a first shape."""
_BULGE = 0.2
"""Standard deviation of a first shape's radius over its mean."""
_FINEST, _COARSEST = np.deg2rad([4.0, 15.0])


@dataclass(frozen=True, kw_only=True)
class Climb:
    """How a map is found from nothing.

    Parameters
    ----------
    rounds
        Of stochastic hill climbing.
    greedy_rounds
        After them, in which the best direction is taken.
    first_detail, last_detail
        Details across the particle's diameter that are seen in the first and the last round.
    """

    rounds: int = 12
    greedy_rounds: int = 4
    first_detail: float = 4.0
    last_detail: float = 9.0


@dataclass(frozen=True)
class Climbed:
    """Where a climb ended: poses, a map of few voxels, noise by shell, and how likely the images are."""

    poses: Poses
    density: Float[Tensor, "n n n"]
    noise: Float[Tensor, " k"]
    likelihood: float


def shell_of(detail: float, spectra: Spectra) -> int:
    """Return the shell [cycles a side] that resolves so many details across the particles."""
    return int(np.clip(np.ceil(detail * spectra.side / (2 * spectra.radius)), 3, spectra.highest))


def view_step(highest: int, spectra: Spectra) -> float:
    """Return the angle [rad] by which the rim of a particle moves half of what a shell resolves."""
    return float(np.clip(0.5 * spectra.side / (highest * spectra.radius), _FINEST, _COARSEST))


def small_side(highest: int) -> int:
    """Return the side of a map that holds a shell."""
    return 2 * highest + 2


def climb(
    spectra: Spectra,
    sizes: Float[np.ndarray, " n"],
    point_group: str,
    settings: Climb,
    rng: np.random.Generator,
    begin: Float[Tensor, "m m m"] | None = None,
) -> Climbed:
    """Return what is found from a random start, or in greedy rounds from a map.

    Parameters
    ----------
    sizes
        Of each particle over the mean, as far as they are known.
    begin
        In the point group's standard axes, of as few voxels as it needs.
    """
    group = operations(point_group)
    count = len(spectra)
    poses = Poses(
        torch.as_tensor(Rotation.random(count, rng=rng).as_matrix(), dtype=torch.float32),
        torch.zeros(count, 2),
        torch.as_tensor(sizes, dtype=torch.float32),
        torch.ones(count),
    )
    chance_rounds = 0 if begin is not None else settings.rounds
    shells = [shell_of(detail, spectra) for detail in (settings.first_detail, settings.last_detail)]
    noise = torch.ones(1)
    for index in range(chance_rounds + settings.greedy_rounds):
        share = min(1.0, index / chance_rounds) if chance_rounds else 1.0
        highest = round(shells[0] + (shells[1] - shells[0]) * share)
        seen = spectra.up_to(highest)
        density = small_map(seen, poses, point_group, noise)
        if index == 0:
            density = chance_shape(density, group, rng) if begin is None else begin
        greedy = not 0 < index < chance_rounds
        poses, noise = _round(seen, density, poses, group, rng, greedy=greedy)
    return _ended(seen, poses, noise, point_group)


def _round(
    seen: Spectra,
    density: Float[Tensor, "n n n"],
    poses: Poses,
    group: Float[np.ndarray, "g 3 3"],
    rng: np.random.Generator,
    *,
    greedy: bool,
) -> tuple[Poses, Float[Tensor, " k"]]:
    """Return poses in the best directions, or in better ones by chance, and the noise that the old left."""
    highest, whole = seen.highest, seen.whole()
    grid = fourier_grid.to_grid(density, fourier_grid.grid_side(highest))
    poses, left = polish(grid, whole, poses, torch.ones(highest + 1), steps=0)
    noise = left.mean(0)
    step = view_step(highest, seen)
    # Directions a little off each time, so that no map is drawn towards a grid.
    wobble = Rotation.from_rotvec(0.3 * step * rng.standard_normal(3)).as_matrix()
    directions = view_directions(step, group) @ wobble
    found = search(grid, whole, poses, directions, noise)
    if greedy:
        view = found.score.argmax(1)
    else:
        view = _improved(found.score, _nearest(poses, directions, group), rng)
    return found.poses(view, poses).levelled(poses), noise


def _ended(seen: Spectra, poses: Poses, noise: Float[Tensor, " k"], point_group: str) -> Climbed:
    density = small_map(seen, poses, point_group, noise)
    grid = fourier_grid.to_grid(density, fourier_grid.grid_side(seen.highest))
    found, left = polish(grid, seen.whole(), poses, noise, steps=_POLISHED)
    return Climbed(found.levelled(poses), density, left.mean(0), _likelihood(left, seen.whole()))


def _likelihood(left: Float[Tensor, "n k"], spectra: Spectra) -> float:
    """Return the logarithm of the likelihood of a value of the spectra, where the noise is what is left."""
    number = torch.bincount(spectra.shell).float()[1:]
    return float(-(number * left.mean(0)[1:].clamp_min(1e-30).log()).sum() / number.sum())


def small_map(
    spectra: Spectra, poses: Poses, point_group: str, noise: Float[Tensor, " k"]
) -> Float[Tensor, "n n n"]:
    """Return a map of just the voxels that the spectra need: none negative, none outside of their circle."""
    highest = spectra.highest
    sums = gridding.add_up(spectra, poses, point_group, lengthened(noise, highest))
    ratio = gridding.signal_to_noise(sums, highest)
    side = small_side(highest)
    density = gridding.solve(sums, side, ratio)
    radius = spectra.radius * side / spectra.side
    return density.clamp_min(0.0) * torch.as_tensor(ball_mask(side, radius, edge=2.0))


def chance_shape(
    density: Float[Tensor, "n n n"], group: Float[np.ndarray, "g 3 3"], rng: np.random.Generator
) -> Float[Tensor, "n n n"]:
    """Return a body of the point group whose shape is chance, as large as the ball that a map is.

    Maps of many particles in random poses are balls, and most climbs from there end in one.
    """
    n = density.shape[0]
    ticks = np.arange(n) - n // 2
    z, y, x = np.meshgrid(ticks, ticks, ticks, indexing="ij")
    distance = np.maximum(distances(n), 1e-6)
    directions = np.stack([x, y, z], axis=-1) / distance[..., None]
    bulge = np.zeros(distance.shape)
    for power in _POWERS:
        peak = group @ rng.standard_normal(3)
        peak /= np.linalg.norm(peak[0])
        wave = sum((directions @ one) ** power for one in peak)
        wave = wave - wave.mean()
        bulge += rng.standard_normal() * wave / max(float(wave.std()), 1e-6)
    stretch = 1.0 + _BULGE * np.clip(bulge / bulge.std(), -2.0, 2.0)
    ball = ball_like(density.numpy())
    profile = ball[n // 2, n // 2, n // 2 :]
    return torch.as_tensor(
        np.interp(distance / stretch, np.arange(len(profile)), profile), dtype=torch.float32
    )


def lengthened(noise: Float[Tensor, " k"], highest: int) -> Float[Tensor, " m"]:
    """Return noise by shell for more shells, those added like the last."""
    last = noise[-1:].repeat(max(0, highest + 1 - len(noise)))
    return torch.cat([noise, last])[: highest + 1]


def _nearest(
    poses: Poses, directions: Float[np.ndarray, "v 3"], group: Float[np.ndarray, "g 3 3"]
) -> Int[Tensor, " n"]:
    """Return the direction nearest to that of each pose, whatever the symmetry makes of it."""
    own = poses.rotations[:, 2].double().numpy()
    every = np.einsum("gij,nj->ngi", group, own)
    return torch.as_tensor((every @ directions.T).max(1).argmax(1))


def _improved(
    score: Float[Tensor, "n v"], own: Int[Tensor, " n"], rng: np.random.Generator
) -> Int[Tensor, " n"]:
    """Return for each particle a direction, by chance, that is better than its own; its own if none is."""
    better = score > score.gather(1, own[:, None])
    chance = torch.as_tensor(rng.random(tuple(score.shape)), dtype=torch.float32)
    drawn = torch.where(better, chance, torch.full_like(chance, -1.0)).argmax(1)
    return torch.where(better.any(1), drawn, own)
