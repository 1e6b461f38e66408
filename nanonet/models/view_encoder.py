"""A network that turns the view of a particle into a short vector."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nanonet.records import InputError


class ViewEncoder(nn.Module):
    """Convolutions over the view, then layers that also know how dense and how large the particle is.

    Invariant to the symmetries of a square: in evaluation the vectors of all eight are averaged.

    Parameters
    ----------
    size
        Length of the vector.
    width
        Channels of the first convolutions.
    """

    def __init__(self, size: int = 8, width: int = 32) -> None:
        super().__init__()
        if size < 1 or width < 1:
            raise InputError(f"an encoder needs a size and a width, got {size} and {width}")
        self.size = size
        layers: list[nn.Module] = []
        channels = [1, width, 3 * width // 2, 2 * width, 3 * width, 4 * width, 4 * width]
        for number, (before, after) in enumerate(pairwise(channels)):
            edge, stride = (5, 2) if number == 0 else (3, 2 if number in (2, 4) else 1)
            layers += [
                nn.Conv2d(before, after, edge, stride, edge // 2, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.mixed = nn.Sequential(nn.Linear(8 * width + 2, 4 * width), nn.ReLU())
        self.head = nn.Linear(4 * width, size)

    def normalise(self, planes: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b 3 y x"]:
        """Return the planes of `nanonet.views`, which are normalised already."""
        return planes

    def logits(self, planes: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b d 1 1"]:
        """Return the vectors."""
        if self.training:
            return self._vectors(planes)
        turned = [torch.rot90(p, k, (-2, -1)) for p in (planes, planes.flip(-1)) for k in range(4)]
        return torch.stack([self._vectors(one) for one in turned]).mean(dim=0)

    def forward(self, planes: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b d 1 1"]:
        """Return the vectors of views with their planes."""
        return self.logits(self.normalise(planes))

    def _vectors(self, planes: Tensor) -> Tensor:
        seen = self.layers(planes[:, :1].contiguous(memory_format=torch.channels_last))
        pooled = torch.cat([seen.mean(dim=(-2, -1)), seen.amax(dim=(-2, -1)), planes[:, 1:, 0, 0]], dim=1)
        vectors: Tensor = self.head(self.mixed(pooled))
        return vectors[:, :, None, None]
