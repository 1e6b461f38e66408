"""One half of the frames: what is compared of them, in which poses they are believed to be, and their map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nanonet.reconstruct import fourier_grid, gridding
from nanonet.reconstruct.climb import small_side
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.mask import ball_mask
from nanonet.tumbling.boxes import Boxes
from nanonet.tumbling.likelihood import Candidates, Yardstick, poses_at

_LOWEST = 3
"""Shell from which pictures are compared."""
_MARGIN = 3.0
"""Pixels of the circle beyond the particle."""


@dataclass(frozen=True, kw_only=True)
class Beliefs:
    """The likeliest pose of each picture, and how much likelier it is than the next that is really another.

    Parameters
    ----------
    rotations
        (n, 3, 3) on column vectors (x, y, z).
    shifts
        (n, 2), (x, y) of the particle's centre from the picture's [pixel].
    gains
        (n,) log likelihood over that of noise alone [nat].
    margins
        (n,) over that of the next pose [nat].
    """

    rotations: Float[np.ndarray, "n 3 3"]
    shifts: Float[np.ndarray, "n 2"]
    gains: Float[np.ndarray, " n"]
    margins: Float[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.gains)

    @staticmethod
    def of(found: Candidates, margins: Float[Tensor, " n"]) -> Beliefs:
        """Return what the best candidates say."""
        return Beliefs(
            rotations=found.rotations[:, 0].numpy().astype(np.float32),
            shifts=found.shifts[:, 0].numpy().astype(np.float32),
            gains=found.gains[:, 0].numpy(),
            margins=margins.numpy(),
        )

    def subset(self, which: Int[np.ndarray, " m"] | Bool[np.ndarray, " n"]) -> Beliefs:
        """Return those of some pictures."""
        return Beliefs(**{name: value[which] for name, value in vars(self).items()})

    @staticmethod
    def joined(parts: Sequence[Beliefs]) -> Beliefs:
        """Return those of several sets of pictures."""
        return Beliefs(
            **{name: np.concatenate([vars(one)[name] for one in parts]) for name in vars(parts[0])}
        )

    def candidates(self) -> Candidates:
        """Return the poses as one candidate each."""
        return Candidates(
            torch.as_tensor(self.rotations)[:, None],
            torch.as_tensor(self.shifts)[:, None],
            torch.as_tensor(self.gains)[:, None],
        )


@dataclass(frozen=True, kw_only=True)
class Half:
    """Pictures that share one map.

    Parameters
    ----------
    boxes
        The pictures.
    radius
        Of the particle [Å].
    detail
        Å of the finest waves that pictures are compared at.
    spread
        Standard deviation of the places of the particle in its pictures [pixel].
    batches
        Into which they are parted: no picture is compared with a map that its own batch is in.
    """

    boxes: Boxes
    radius: float
    detail: float
    spread: float
    batches: int = 8

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def highest(self) -> int:
        """Shell up to which pictures are compared."""
        return min(int(self.boxes.side * self.boxes.pixel_size / self.detail), (self.boxes.side - 1) // 2)

    @property
    def small(self) -> int:
        """Side of the maps that they are compared with [voxel]."""
        return small_side(self.highest)

    @property
    def small_voxel(self) -> float:
        """Of those maps [Å]."""
        return self.boxes.side * self.boxes.pixel_size / self.small

    @cached_property
    def circle(self) -> float:
        """Radius of the circle beyond which nothing of a picture is looked at [pixel]."""
        wanted = self.radius / self.boxes.pixel_size + 2.0 * self.spread + _MARGIN
        return float(min(wanted, self.boxes.side / 2 - 3))

    @cached_property
    def yardstick(self) -> Yardstick:
        """What their likelihoods are measured by."""
        area = np.pi * self.circle**2
        return Yardstick(
            noise=torch.as_tensor(area * self.boxes.noise[: self.highest + 1], dtype=torch.float32),
            lowest=_LOWEST,
            independent=float(area / self.boxes.side**2),
            spread=self.spread,
        )

    @cached_property
    def parts(self) -> list[Int[np.ndarray, " m"]]:
        """Indices of the pictures of each batch: every so many-th, so that all times are in all."""
        return [np.arange(first, len(self), self.batches) for first in range(self.batches)]

    def spectra(self, which: Int[np.ndarray, " m"], highest: int | None = None) -> Spectra:
        """Return the transforms of some pictures, half a cycle apart."""
        return self.boxes.spectra(which, self.circle, self.highest if highest is None else highest)

    def sums(
        self, which: Int[np.ndarray, " m"], beliefs: Beliefs, point_group: str, highest: int | None = None
    ) -> gridding.Sums:
        """Return the sums of some pictures, in the poses that are believed (of these pictures alone)."""
        spectra = self.spectra(which, highest)
        noise = torch.as_tensor(self.boxes.noise[: spectra.highest + 1], dtype=torch.float32)
        poses = poses_at(torch.as_tensor(beliefs.rotations), torch.as_tensor(beliefs.shifts))
        return gridding.add_up(spectra, poses, point_group, noise)

    def small_map(self, sums: gridding.Sums, ratio: float) -> Float[np.ndarray, "s s s"]:
        """Return the map of sums, in the unit of `SiteMaps`; ``ratio`` is its signal over its noise."""
        flat = torch.full((self.highest + 1,), ratio)
        unit = (self.boxes.side / self.small) ** 3
        mask = ball_mask(self.small, self.circle * self.small / self.boxes.side, edge=2.0)
        return np.asarray(unit * gridding.solve(sums, self.small, flat).numpy() * mask, dtype=np.float32)

    def grid(self, density: Float[np.ndarray, "s s s"]) -> Tensor:
        """Return the transform of such a map, to be compared with."""
        side = fourier_grid.grid_side(self.highest)
        return fourier_grid.to_grid(torch.as_tensor(density, dtype=torch.float32), side)


def total(sums: Sequence[gridding.Sums], without: int | None = None) -> gridding.Sums:
    """Return several sums together, without those of one batch."""
    kept = [one for index, one in enumerate(sums) if index != without]
    return replace(kept[0], grid=torch.stack([one.grid for one in kept]).sum(0))
