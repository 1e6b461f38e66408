"""Raw counts to contrast, inside the network: training and inference can never differ in it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn


class ContrastNormalisation(nn.Module):
    """Counts to contrast: image / mean - 1, per image, so that dose and detector gain drop out.

    Where the mean is not positive (an empty frame) the contrast is 0. A pixel that is NaN or infinite says
    nothing: it is left out of the mean and its contrast is 0.
    """

    def forward(self, counts: Num[Tensor, "b c y x"]) -> Float[Tensor, "b c y x"]:
        """Return the contrast, float32."""
        counts = counts.float()
        good = counts.isfinite()
        known = torch.where(good, counts, 0.0)
        mean = known.sum(dim=(-2, -1), keepdim=True) / good.sum(dim=(-2, -1), keepdim=True).clamp(min=1)
        lit = (mean > 0) & good
        return torch.where(lit, known / torch.where(mean > 0, mean, 1.0) - 1.0, 0.0)
