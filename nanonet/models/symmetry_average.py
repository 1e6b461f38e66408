"""A network that is asked eight times: the image turned and mirrored in all ways, the answers averaged."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from nanonet.models.symmetry import ORDER, inverse, symmetry
from nanonet.models.tiled import ImageNetwork


class SymmetryAverage(nn.Module):
    """The mean over the 8 symmetries of a square of the chances that a network gives, as logits.

    It takes eight times as long, needs no training of its own, and turns and mirrors its answer with a square
    image exactly where the network does not.

    Parameters
    ----------
    network
        Any of `nanonet.models`, trained.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.normalise = cast(nn.Module, network.normalise)
        self.classes = network.classes
        self.frames = network.frames

    def forward(self, counts: Num[Tensor, "b c y x"]) -> Float[Tensor, "b class y x"]:
        """Return the logits of raw counts."""
        logits: Tensor = self.logits(self.normalise(counts))
        return logits

    def logits(self, contrast: Float[Tensor, "b c y x"]) -> Float[Tensor, "b class y x"]:
        """Return the logits of a normalised image: logarithms of mean chances."""
        ask = cast(ImageNetwork, self.network).logits
        answers = [symmetry(ask(symmetry(contrast, g)), inverse(g)).float() for g in range(ORDER)]
        return torch.stack([answer.log_softmax(1) for answer in answers]).logsumexp(0).log_softmax(1)
