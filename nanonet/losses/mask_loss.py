"""What a mask network is penalised for: pixels on the wrong side, and wrong heights."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from nanonet.losses.precision import single


class MaskLoss(nn.Module):
    """Cross-entropy and soft Dice of "inside a particle", and the cross-entropy of the height.

    The height is a share, so that its cross-entropy is that of a coin that falls so; less its entropy it is 0
    at best. Dice (Milletari et al., 2016, arXiv 1606.04797) counts small particles as much as a large
    background.

    Parameters
    ----------
    dice, height
        Factors of these two.
    """

    def __init__(self, dice: float = 0.5, height: float = 1.0) -> None:
        super().__init__()
        self.dice = dice
        self.height = height

    def forward(
        self,
        maps: Float[Tensor, "b 2 y x"],
        inside: Float[Tensor, "b y x"],
        height: Float[Tensor, "b y x"],
        weight: Float[Tensor, "b y x"],
    ) -> Float[Tensor, ""]:
        """Return the loss of a batch: logits of inside and of height against their truths."""
        maps = single(maps)
        total = weight.sum().clamp(min=1.0)
        cross = functional.binary_cross_entropy_with_logits(maps[:, 0], inside, weight, reduction="sum")
        entropy = -(torch.xlogy(height, height) + torch.xlogy(1 - height, 1 - height))
        heights = functional.binary_cross_entropy_with_logits(maps[:, 1], height, reduction="none")
        probability = maps[:, 0].sigmoid()
        common = (weight * probability * inside).sum(dim=(-2, -1))
        sizes = (weight * (probability + inside)).sum(dim=(-2, -1))
        dice = (1 - (2 * common + 1) / (sizes + 1)).mean()
        return cross / total + self.dice * dice + self.height * (weight * (heights - entropy)).sum() / total
