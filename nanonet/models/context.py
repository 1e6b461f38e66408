"""What a frame has in common, for each of its pixels: all columns together tell focus and sharpness."""

from __future__ import annotations

from typing import cast

from jaxtyping import Float
from torch import Tensor, nn


class GlobalContext(nn.Module):
    """Adds to each pixel what the frame as a whole is like (Cao et al., 2019, arXiv 1904.11492).

    The features of all pixels are averaged with weights that are learnt, a softmax over the frame, so that
    vacuum around a particle does not dilute what its columns say, as a plain mean would; two layers make of
    the average what is added. At first they add nothing.

    Parameters
    ----------
    channels
        Of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.width = channels // 4
        self.score = nn.Conv2d(channels, 1, 1)
        self.reduce = nn.Linear(channels, self.width)
        self.norm = nn.LayerNorm(self.width)
        self.expand = nn.Linear(self.width, channels)
        nn.init.zeros_(self.expand.weight)
        nn.init.zeros_(self.expand.bias)

    def forward(self, features: Float[Tensor, "b c y x"]) -> Float[Tensor, "b c y x"]:
        """Return the features with the context added."""
        weight = self.score(features).flatten(2).float().softmax(-1).to(features.dtype)
        average = (features.flatten(2) @ weight.transpose(1, 2))[..., 0]
        added = self.expand(nn.functional.relu(self.norm(self.reduce(average))))
        return cast(Tensor, features + added[..., None, None])
