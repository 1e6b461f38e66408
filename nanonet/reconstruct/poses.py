"""How particles lie, and how large and bright each is next to the map."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from nanonet.reconstruct.images import Spectra


@dataclass(frozen=True)
class Poses:
    """Poses of particles.

    Parameters
    ----------
    rotations
        (n, 3, 3) on column vectors (x, y, z).
    shifts
        (n, 2), (x, y), from the centre of the spectra [pixel].
    size
        (n,) of each particle over that of the map.
    scale
        (n,) what the transform of the turned map is multiplied by.
    """

    rotations: Float[Tensor, "n 3 3"]
    shifts: Float[Tensor, "n 2"]
    size: Float[Tensor, " n"]
    scale: Float[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.rotations)

    def back(self, spectra: Spectra, part: slice) -> Complex[Tensor, "n p"]:
        """Return the phase factors that move particles to the centre."""
        turn = 2 * np.pi / spectra.side * (self.shifts[part] @ spectra.frequencies.T)
        return torch.polar(torch.ones_like(turn), turn)

    def levelled(self, before: Poses) -> Poses:
        """Return the poses with the mean size that they had before, and mean brightness 1.

        The map's own could drift otherwise, and the maps of two halves would be of two sizes.
        """
        change = before.size.log().mean() - self.size.log().mean()
        return replace(self, size=self.size * change.exp(), scale=self.scale / self.scale.mean())

    def take(self, which: slice | Tensor) -> Poses:
        """Return some of them."""
        return Poses(*(value[which] for value in vars(self).values()))

    @staticmethod
    def joined(parts: list[Poses]) -> Poses:
        """Return several together."""
        return Poses(*(torch.cat([vars(part)[name] for part in parts]) for name in vars(parts[0])))


def unturned(count: int) -> Poses:
    """Return poses of particles that are not turned, shifted, enlarged or scaled."""
    return Poses(
        torch.eye(3).repeat(count, 1, 1), torch.zeros(count, 2), torch.ones(count), torch.ones(count)
    )
