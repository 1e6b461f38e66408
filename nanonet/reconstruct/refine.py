"""Two maps from two halves of the particles: found apart, and made finer apart.

The halves share nothing but the resolution up to which they agree (Scheres & Chen, Nat. Methods 9, 853
(2012)), the frame that they are turned into, and the choice among several starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanonet.reconstruct import fourier_grid, gridding
from nanonet.reconstruct.align import Frame, align, align_near
from nanonet.reconstruct.climb import Climb, Climbed, climb, lengthened, shell_of, small_side, view_step
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.mask import ball_mask, soft_mask
from nanonet.reconstruct.point_group import operations
from nanonet.reconstruct.polish import polish
from nanonet.reconstruct.poses import Poses
from nanonet.reconstruct.rotation_grid import view_directions
from nanonet.reconstruct.search import search
from nanonet.reconstruct.shell_correlation import shell_correlation
from nanonet.records import ShellCorrelation

_AGREED = 0.143
_BEYOND = 3
"""Shells that are looked at beyond those that agree: so that they may come to."""
_SURE = 0.995
"""Largest correlation that is taken for sure: of 1 the signal would be infinite."""
_ALIGNED = 12
"""Shell up to which halves are brought together [cycles a side]."""
SAME = 0.7
"""Correlation of two levelled maps that show the same body; of different ones it is below 0.3."""
_EVEN = 0.1
"""Likelihoods, by value of the spectra, that do not tell one start from another."""


@dataclass(frozen=True, kw_only=True)
class Refine:
    """How maps are made finer.

    Parameters
    ----------
    rounds
        In each, both maps are made anew and poses improved.
    searches
        Of them, first, in which particles are compared with the map seen from everywhere again.
    steps
        Of improving the poses, a round.
    fit_size
        Whether particles may be larger or smaller than the mean.
    """

    rounds: int = 6
    searches: int = 3
    steps: int = 3
    fit_size: bool = True


@dataclass(frozen=True)
class Half:
    """One half of the particles: their spectra, poses, and the noise by shell."""

    spectra: Spectra
    poses: Poses
    noise: Float[Tensor, " k"]

    def sums(self, point_group: str, highest: int) -> gridding.Sums:
        """Return the sums of which its map is made."""
        seen = self.spectra.up_to(highest)
        return gridding.add_up(seen, self.poses, point_group, lengthened(self.noise, highest))


@dataclass(frozen=True)
class Starts:
    """What was found from each start: likelihoods (2, s), and how well the chosen two maps agree."""

    likelihoods: Float[np.ndarray, "2 s"]
    agreement: float


def ab_initio(
    spectra: tuple[Spectra, Spectra],
    sizes: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]],
    point_group: str,
    settings: Climb,
    starts: tuple[int, int],
    rng: np.random.Generator,
    coarse: tuple[Tensor, Tensor] | None = None,
) -> tuple[tuple[Half, Half], Starts]:
    """Return both halves from nothing, in one frame: of several starts of each those two that agree best.

    Starts whose maps explain their own half worse than the best one does are left out first: the same wrong
    map may be found from both halves. As long as the halves do not agree there are further starts.

    Parameters
    ----------
    starts
        Of each half: at least, and at most.
    coarse
        A map of each half to begin the first start from, instead of a shape of chance.
    """
    found: tuple[list[Climbed], list[Climbed]] = ([], [])
    highest = shell_of(settings.last_detail, spectra[0])
    for index in range(starts[1]):
        begin = coarse if coarse is not None and index == 0 else (None, None)
        for own, size, row, first in zip(spectra, sizes, found, begin, strict=True):
            row.append(climb(own, size, point_group, settings, rng, first))
        if index + 1 < starts[0]:
            continue
        one, other, frame = _best_pair(found, point_group, highest)
        if frame.correlation > SAME:
            break
    halves = (
        Half(spectra[0], one.poses, one.noise),
        Half(spectra[1], frame.applied(other.poses), other.noise),
    )
    likelihoods = np.array([[each.likelihood for each in row] for row in found])
    return halves, Starts(likelihoods, frame.correlation)


def _best_pair(
    found: tuple[list[Climbed], list[Climbed]], point_group: str, highest: int
) -> tuple[Climbed, Climbed, Frame]:
    """Return the likely climbs of each half that agree best, and how the second is brought to the first."""
    likely = []
    for row in found:
        most = max(each.likelihood for each in row)
        likely.append([each for each in row if each.likelihood >= most - _EVEN])
    pairs = [
        (one, other, align(one.density, other.density, point_group, highest=highest))
        for one in likely[0]
        for other in likely[1]
    ]
    return max(pairs, key=lambda pair: pair[2].correlation)


def refine(
    halves: tuple[Half, Half], point_group: str, settings: Refine, *, first: int
) -> tuple[tuple[Half, Half], int]:
    """Return both halves with better poses, and the shell up to which they were looked at.

    Parameters
    ----------
    first
        Shell that is looked at first [cycles a side].
    """
    highest = first
    for index in range(settings.rounds):
        sums = [half.sums(point_group, highest) for half in halves]
        ratio = _ratio(sums, halves[0].spectra, highest)
        one, other = (
            _improved(half, own, ratio, point_group, settings, search_again=index < settings.searches)
            for half, own in zip(halves, sums, strict=True)
        )
        halves = (one, _in_frame_of(one, other, point_group, highest))
        highest = _next_shell(halves, point_group, highest)
    return halves, highest


def _ratio(sums: list[gridding.Sums], spectra: Spectra, highest: int) -> Float[Tensor, " k"]:
    """Return signal over noise of one half's map, by shell, from how far the two agree."""
    curve = agreement(sums, spectra, highest)
    correlation = torch.as_tensor(np.concatenate([[_SURE], curve.correlation]), dtype=torch.float32)
    correlation = lengthened(correlation, highest).clamp(0.0, _SURE)
    return correlation / (1.0 - correlation)


def agreement(sums: list[gridding.Sums], spectra: Spectra, highest: int) -> ShellCorrelation:
    """Return the shell correlation of the two maps, of few voxels, within the particles' circle."""
    side = small_side(highest)
    mask = ball_mask(side, spectra.radius * side / spectra.side, edge=2.0)
    flat = torch.full((highest + 1,), 1e3)
    one, other = (gridding.solve(own, side, flat).numpy() * mask for own in sums)
    return shell_correlation(one, other, spectra.side / side)


def _improved(
    half: Half,
    sums: gridding.Sums,
    ratio: Float[Tensor, " k"],
    point_group: str,
    settings: Refine,
    *,
    search_again: bool,
) -> Half:
    highest = len(ratio) - 1
    whole = half.spectra.up_to(highest).whole()
    side = small_side(highest)
    density = gridding.solve(sums, side, ratio).clamp_min(0.0)
    density = density * torch.as_tensor(soft_mask(density.numpy(), smooth=1.0, margin=2.0, edge=2.0))
    grid = fourier_grid.to_grid(density, fourier_grid.grid_side(highest))
    noise = lengthened(half.noise, highest)
    poses, left = polish(grid, whole, half.poses, noise, steps=settings.steps, fit_size=settings.fit_size)
    if search_again:
        directions = view_directions(view_step(highest, whole), operations(point_group))
        rough = _rough_noise(grid, whole, poses, directions, noise)
        found = search(grid, whole, poses, directions, rough)
        tried, tried_left = polish(
            grid,
            whole,
            found.poses(found.score.argmax(1), poses),
            noise,
            steps=2 * settings.steps,
            fit_size=settings.fit_size,
        )
        weight = torch.bincount(whole.shell) / noise
        better = (tried_left * weight).sum(1) < (left * weight).sum(1)
        poses = Poses(
            *(
                torch.where(better.reshape(-1, *(1,) * (new.ndim - 1)), new, old)
                for new, old in zip(vars(tried).values(), vars(poses).values(), strict=True)
            )
        )
        left = torch.where(better[:, None], tried_left, left)
    return Half(half.spectra, poses.levelled(half.poses), left.mean(0))


def _rough_noise(
    grid: Tensor, spectra: Spectra, poses: Poses, directions: np.ndarray, noise: Float[Tensor, " k"]
) -> Float[Tensor, " k"]:
    """Return the noise that a grid of directions leaves: what the nearest one does not explain."""
    found = search(grid, spectra, poses, directions, noise)
    _, left = polish(grid, spectra, found.poses(found.score.argmax(1), poses), noise, steps=0)
    return left.mean(0)


def _in_frame_of(one: Half, other: Half, point_group: str, highest: int) -> Half:
    """Return the other half turned to where it agrees with the one: its frame may drift about free axes."""
    if point_group[0] != "C":
        return other
    flat = torch.full((highest + 1,), 1e3)
    density, moved = (
        gridding.solve(half.sums(point_group, highest), small_side(highest), flat) for half in (one, other)
    )
    frame = align_near(density, moved, point_group, highest=min(highest, _ALIGNED))
    return Half(other.spectra, frame.applied(other.poses), other.noise)


def _next_shell(halves: tuple[Half, Half], point_group: str, highest: int) -> int:
    spectra = halves[0].spectra
    wider = min(highest + 2 * _BEYOND, spectra.highest)
    curve = agreement([half.sums(point_group, wider) for half in halves], spectra, wider)
    below = np.flatnonzero(curve.correlation[:wider] < _AGREED)
    agreed = int(below[0]) if len(below) else wider
    return min(max(agreed + _BEYOND, 4), wider)
