"""Bring a map into the frame, and to the hand, of another.

Projections do not tell a body from its mirror image: every image of a body is also one of its mirror image,
seen from behind. The two halves of the data each choose a hand by chance. Which one is right stays unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Complex, Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from nanonet.reconstruct import fourier_grid
from nanonet.reconstruct.point_group import equivalent_frames, free_axes
from nanonet.reconstruct.poses import Poses

_BEST = 8
"""Frames that are refined."""
_REFINED = np.deg2rad([6.0, 3.0, 1.5, 0.8, 0.4, 0.2])
_COARSE = 5
"""Shell up to which many frames are compared first [cycles a side]."""
_FEW = 100
_MOST_POINTS = 2_000_000


@dataclass(frozen=True)
class Frame:
    """How a map is brought to another.

    Parameters
    ----------
    rotation
        (3, 3) that the map is turned by.
    mirrored
        Whether it is inverted through its centre first.
    correlation
        Of their transforms, after their shells were given equal power, -1 to 1.
    """

    rotation: Float[np.ndarray, "3 3"]
    mirrored: bool
    correlation: float

    def applied(self, poses: Poses) -> Poses:
        """Return the poses of the same particles in the map that was brought there."""
        turned = poses.rotations @ torch.as_tensor(self.rotation.T, dtype=torch.float32)
        if self.mirrored:
            turned = torch.diag(torch.tensor([-1.0, -1.0, 1.0])) @ turned
        return replace(poses, rotations=turned)


def align(
    one: Float[Tensor, "n n n"], other: Float[Tensor, "n n n"], point_group: str, *, highest: int
) -> Frame:
    """Return how the other map best agrees with the one, among all frames that the point group leaves open.

    Parameters
    ----------
    one, other
        In the group's standard axes, centred.
    highest
        Shell up to which they are compared [cycles a side].
    """
    compared = _Compared(one, other, highest)
    frames = equivalent_frames(point_group)
    first = compared if len(frames) < _FEW else _Compared(one, other, min(highest, _COARSE))
    found = [(first.correlations(frames, mirrored), mirrored) for mirrored in (False, True)]
    axes = free_axes(point_group)
    best = [_best_of(compared, frames, score, mirrored, axes) for score, mirrored in found]
    # Of equals, a body that is its own mirror image, the one that is not mirrored.
    return best[1] if best[1].correlation > best[0].correlation + 1e-4 else best[0]


def align_near(
    one: Float[Tensor, "n n n"], other: Float[Tensor, "n n n"], point_group: str, *, highest: int
) -> Frame:
    """Return the same of maps that all but agree: turned a little about the axes that are free."""
    here = np.eye(3)[None]
    return _best_of(_Compared(one, other, highest), here, np.ones(1), False, free_axes(point_group))


def turned(density: Float[Tensor, "n n n"], frame: Frame) -> Float[Tensor, "n n n"]:
    """Return a map brought into a frame; what turns out of the cube is lost."""
    n = density.shape[0]
    ticks = torch.arange(n) - n // 2
    place = torch.stack(torch.meshgrid(ticks, ticks, ticks, indexing="ij")[::-1], dim=-1).float()
    # The value at r is that at Rᵀ r of the map; a row vector times R is that.
    where = place @ torch.as_tensor(frame.rotation, dtype=torch.float32) * (-1.0 if frame.mirrored else 1.0)
    index = (where + n // 2) / (n - 1) * 2 - 1
    return torch.nn.functional.grid_sample(
        density[None, None], index[None], mode="bilinear", align_corners=True
    )[0, 0]


class _Compared:
    """Two maps' transforms within a ball of frequencies."""

    def __init__(self, one: Float[Tensor, "n n n"], other: Float[Tensor, "n n n"], highest: int) -> None:
        ticks = torch.arange(-highest, highest + 1)
        z, y, x = torch.meshgrid(ticks, ticks, ticks[highest:], indexing="ij")
        radius = (x**2 + y**2 + z**2).float().sqrt()
        kept = (radius <= highest) & (radius > 0)
        self.points = torch.stack([x[kept], y[kept], z[kept]], dim=1).float()
        side = fourier_grid.grid_side(highest)
        shell = radius[kept].round().long()
        self.grid = fourier_grid.to_grid(other, side)
        self.reference = _level(fourier_grid.read(fourier_grid.to_grid(one, side), self.points), shell)
        self.weight = _level_factors(fourier_grid.read(self.grid, self.points), shell)[shell]

    def correlations(self, rotations: Float[np.ndarray, "f 3 3"], mirrored: bool) -> Float[np.ndarray, " f"]:
        """Return how well the other map, turned by each rotation, agrees."""
        matrices = torch.as_tensor(rotations, dtype=torch.float32)
        reference = self.reference.conj() if mirrored else self.reference
        total = float((reference.abs() ** 2).sum())
        scores = []
        for some in torch.split(matrices, max(1, _MOST_POINTS // len(self.points))):
            values = fourier_grid.read(self.grid, self.points @ some) * self.weight
            own = (values.real**2 + values.imag**2).sum(1)
            scores.append((values * reference.conj()).real.sum(1) / (own * total).clamp_min(1e-30).sqrt())
        return torch.cat(scores).double().numpy()


def _level_factors(values: Complex[Tensor, " p"], shell: Tensor) -> Float[Tensor, " k"]:
    power = torch.zeros(int(shell.max()) + 1).index_add_(0, shell, values.real**2 + values.imag**2)
    return power.clamp_min(1e-30).rsqrt()


def _level(values: Complex[Tensor, " p"], shell: Tensor) -> Complex[Tensor, " p"]:
    return values * _level_factors(values, shell)[shell]


def _best_of(
    compared: _Compared,
    frames: Float[np.ndarray, "f 3 3"],
    score: Float[np.ndarray, " f"],
    mirrored: bool,
    axes: Float[np.ndarray, "k 3"],
) -> Frame:
    """Return the best frame, refined about the free axes."""
    if not len(axes):
        best = int(score.argmax())
        return Frame(frames[best], mirrored, float(score[best]))
    chosen = frames[np.argsort(score)[::-1][:_BEST]]
    for step in _REFINED:
        ticks = np.array([-1.0, 0.0, 1.0]) * step
        turns = np.stack(np.meshgrid(*[ticks] * len(axes), indexing="ij"), axis=-1).reshape(-1, len(axes))
        local = Rotation.from_rotvec(turns @ axes).as_matrix()
        tried = (local @ chosen[:, None]).reshape(-1, 3, 3)
        score = compared.correlations(tried, mirrored)
        chosen = tried[np.argsort(score)[::-1][:_BEST]]
    return Frame(chosen[0], mirrored, float(score.max()))
