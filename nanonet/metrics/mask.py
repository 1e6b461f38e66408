"""How well masks agree, batch by batch."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor
from torchmetrics import Metric


class MaskIoU(Metric):
    """Intersection over union of the pixels that are known; 1 where nothing is and nothing was found."""

    full_state_update = False
    both: Tensor
    either: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("both", "either"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(
        self, found: Bool[Tensor, "*b y x"], true: Bool[Tensor, "*b y x"], known: Bool[Tensor, "*b y x"]
    ) -> None:
        """Add the pixels of a batch."""
        self.both += (found & true & known).sum()
        self.either += ((found | true) & known).sum()

    def compute(self) -> Tensor:
        """Return the share."""
        return torch.where(self.either > 0, self.both / self.either.clamp(min=1), torch.ones_like(self.both))
