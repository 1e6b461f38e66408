"""Propose the point group of a map from the map: which operations turn it into itself.

What no rotation changes, the map's mean over all rotations, is taken off first, since a ball has every
symmetry. The rest is turned by each operation of a group about axes that are looked for, and correlated
with itself. A group is believed if that is nearly as high as the correlation of two halves, which share no
noise but all of the shape, and higher than that of maps of equal power whose shape is chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from nanonet.reconstruct import fourier_grid
from nanonet.reconstruct.mask import ball_like
from nanonet.reconstruct.point_group import operations
from nanonet.reconstruct.rotation_grid import asymmetric_unit, local_grid, super_fibonacci
from nanonet.records import InputError, Volume

CANDIDATES = ("C2", "C3", "C4", "D2", "D3", "D4", "T", "O", "I")
_STEP = np.deg2rad(12.0)
_REFINED = np.deg2rad([6.0, 3.0, 1.5, 0.75])
_CORNERS = 1.8  # steps, so that a local grid holds all corners of its cube
_BEST = 6
_ASKED = 4
_CONTROLS = 6
_MOST_POINTS = 2_000_000
_NEARLY = 0.85
"""Share of the correlation of the halves that the turned map must reach."""
_CHANCE = 3.0
"""Standard deviations above the controls' mean."""


@dataclass(frozen=True, kw_only=True)
class GroupScore:
    """How far a map has a group: its own correlation when turned, and that of controls of chance shape."""

    point_group: str
    correlation: float
    control_mean: float
    control_spread: float
    rotation: Float[np.ndarray, "3 3"]

    @property
    def above_chance(self) -> float:
        """Standard deviations above the controls."""
        return (self.correlation - self.control_mean) / max(self.control_spread, 1e-6)


@dataclass(frozen=True, kw_only=True)
class ProposedGroup:
    """The largest group that the data support, C1 where they support none, and the score of each candidate.

    Parameters
    ----------
    rotation
        (3, 3) that brings the map into the group's standard axes.
    ceiling
        Correlation of the two halves' shapes: more cannot be expected of any operation.
    reason
        In words.
    """

    point_group: str
    rotation: Float[np.ndarray, "3 3"]
    scores: tuple[GroupScore, ...]
    ceiling: float
    reason: str


def propose_point_group(
    volume: Volume,
    rng: np.random.Generator,
    *,
    highest: int,
    candidates: Sequence[str] = CANDIDATES,
) -> ProposedGroup:
    """Return the point group that a map, reconstructed without any, has.

    Parameters
    ----------
    volume
        With half maps in the same frame.
    highest
        Shell up to which it can be believed [cycles a side].

    Raises
    ------
    InputError
        If there are no half maps: nothing says then how far the map can be believed.
    """
    if volume.half_maps is None:
        raise InputError(
            "half maps are needed to propose a point group; reconstruct the particles in C1 first"
        )
    one, other = (_Shape(half, highest) for half in volume.half_maps)
    ceiling = one.agreement(other)
    # A particle that has the group is correlated across the halves, where noise is not its own control.
    controls = [(one.scrambled(rng), other.scrambled(rng)) for _ in range(_CONTROLS)]
    scores = []
    for name in candidates:
        group = operations(name)[1:]
        rotation, best = _best_axes(one, other, group)
        chance = [_best_axes(*control, group)[1] for control in controls]
        scores.append(
            GroupScore(
                point_group=name,
                correlation=best,
                control_mean=float(np.mean(chance)),
                control_spread=float(np.std(chance, ddof=1)),
                rotation=rotation.T,
            )
        )
    good = [
        one
        for one in scores
        if one.correlation > _NEARLY * ceiling and one.above_chance > _CHANCE and ceiling > 0
    ]
    if not good:
        reason = (
            f"no group's operations reach {_NEARLY:.0%} of the halves' agreement of {ceiling:.2f} and chance"
        )
        return ProposedGroup(
            point_group="C1", rotation=np.eye(3), scores=tuple(scores), ceiling=ceiling, reason=reason
        )
    largest = max(good, key=lambda score: len(operations(score.point_group)))
    reason = (
        f"turned by {largest.point_group} the shape correlates {largest.correlation:.2f} with itself; "
        f"halves agree {ceiling:.2f}, chance gives {largest.control_mean:.2f} ± {largest.control_spread:.2f}"
    )
    return ProposedGroup(
        point_group=largest.point_group,
        rotation=largest.rotation,
        scores=tuple(scores),
        ceiling=ceiling,
        reason=reason,
    )


class _Shape:
    """What distinguishes a map from a ball: its transform within a ball of frequencies, readable anywhere."""

    def __init__(self, density: Float[np.ndarray, "n n n"], highest: int) -> None:
        shape = torch.as_tensor(density - ball_like(density), dtype=torch.float32)
        ticks = torch.arange(-highest, highest + 1)
        z, y, x = torch.meshgrid(ticks, ticks, ticks[highest:], indexing="ij")
        radius = (x**2 + y**2 + z**2).float().sqrt()
        kept = (radius <= highest) & (radius > 1.5)
        self.points = torch.stack([x[kept], y[kept], z[kept]], dim=1).float()
        self.shell = radius[kept].round().long()
        self.grid = fourier_grid.to_grid(shape, fourier_grid.grid_side(highest))

    def read(self, rotations: Float[Tensor, "f 3 3"]) -> Complex[Tensor, "f p"]:
        """Return the transform of the shape turned by each rotation."""
        return fourier_grid.read(self.grid, self.points @ rotations)

    def agreement(self, other: _Shape) -> float:
        """Return the correlation with another in the same frame."""
        a, b = (one.read(torch.eye(3)[None])[0] for one in (self, other))
        return float((a * b.conj()).real.sum() / (a.abs().square().sum() * b.abs().square().sum()).sqrt())

    def scrambled(self, rng: np.random.Generator) -> _Shape:
        """Return a shape of the same power in every shell whose parts are turned by chance."""
        copy = object.__new__(_Shape)
        copy.points, copy.shell = self.points, self.shell
        side = self.grid.shape[0]
        ticks = torch.arange(side) - side // 2
        square = ticks.square()
        shell = (square[:, None, None] + square[:, None] + square).sqrt() / fourier_grid.OVERSAMPLING
        noise = torch.as_tensor(rng.standard_normal((2, side, side, side)), dtype=torch.float32)
        # Smooth on the scale of the particle's extent, as the transform of any body of its size is.
        soft = torch.nn.functional.avg_pool3d(noise, 5, stride=1, padding=2)
        wave = torch.complex(soft[0], soft[1])
        wave = wave + wave.flip((0, 1, 2)).conj()
        index = shell.round().long().reshape(-1)
        own = torch.zeros(int(index.max()) + 1).index_add_(0, index, self.grid.abs().square().reshape(-1))
        power = torch.zeros_like(own).index_add_(0, index, wave.abs().square().reshape(-1))
        copy.grid = wave * (own / power.clamp_min(1e-30)).sqrt()[index].reshape(wave.shape)
        return copy


def _best_axes(
    one: _Shape, other: _Shape, group: Float[np.ndarray, "g 3 3"]
) -> tuple[Float[np.ndarray, "3 3"], float]:
    """Return how a group's axes lie in a map at best, and the mean correlation over its operations."""
    # Axes that an operation of the group turns into each other are the same axes.
    frames = asymmetric_unit(super_fibonacci(_STEP), np.concatenate([np.eye(3)[None], group]))
    # A few operations find the axes; all of them are asked of the best.
    some = group[:: -(-len(group) // _ASKED)]
    chosen = frames
    scores = _mean_correlation(one, other, chosen, some)
    for step in _REFINED:
        best = chosen[np.argsort(scores)[::-1][:_BEST]]
        chosen = (local_grid(_CORNERS * step, step) @ best[:, None]).reshape(-1, 3, 3)
        scores = _mean_correlation(one, other, chosen, some)
    chosen = chosen[np.argsort(scores)[::-1][:_BEST]]
    scores = _mean_correlation(one, other, chosen, group)
    return chosen[int(scores.argmax())], float(scores.max())


def _mean_correlation(
    one: _Shape, other: _Shape, frames: Float[np.ndarray, "f 3 3"], group: Float[np.ndarray, "g 3 3"]
) -> Float[np.ndarray, " f"]:
    """Return the mean correlation of a map with the other one, turned by the operations, for each frame."""
    fixed = one.read(torch.eye(3)[None])[0]
    own = float(fixed.abs().square().sum())
    total = np.zeros(len(frames))
    step = max(1, _MOST_POINTS // len(one.points))
    for operation in group:
        turns = torch.as_tensor(frames @ operation @ frames.transpose(0, 2, 1), dtype=torch.float32)
        parts = []
        for some in torch.split(turns, step):
            values = other.read(some)
            power = values.abs().square().sum(1)
            parts.append((values * fixed.conj()).real.sum(1) / (power * own).clamp_min(1e-30).sqrt())
        total += torch.cat(parts).double().numpy()
    return total / len(group)
