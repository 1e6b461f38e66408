"""How well a network's pixels tell column depth: at column centres, and columns against background."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchmetrics import Metric


def right_at_centres(
    logits: Float[Tensor, "b class y x"],
    depth: Int[Tensor, "b y x"],
    centre: Bool[Tensor, "b y x"],
    tolerance: int = 0,
) -> tuple[Int[Tensor, ""], Int[Tensor, ""]]:
    """Return how many true columns are read right at the pixel nearest their centre, and how many there are.

    A column is right if the likeliest class there is its depth, give or take ``tolerance`` atoms. One that is
    taken for background is wrong, whatever the tolerance.
    """
    read = logits.argmax(dim=1)[centre]
    true = depth[centre]
    right = ((read - true).abs() <= tolerance) & (read > 0)
    return right.sum(), torch.tensor(true.numel(), device=logits.device)


def dice_counts(
    logits: Float[Tensor, "b class y x"], membership: Float[Tensor, "b y x"]
) -> tuple[Int[Tensor, ""], Int[Tensor, ""]]:
    """Return twice the overlap of read and true column pixels, and the sum of both areas.

    A pixel is of a column where the chance of background is below one half.
    """
    read = logits.softmax(dim=1)[:, 0] < 0.5
    true = membership > 0.5
    return 2 * (read & true).sum(), read.sum() + true.sum()


class DepthAccuracy(Metric):
    """Share of true columns whose depth is read right within ``tolerance`` atoms; see `right_at_centres`."""

    higher_is_better = True
    full_state_update = False
    right: Tensor
    total: Tensor

    def __init__(self, tolerance: int = 0) -> None:
        super().__init__()
        self.tolerance = tolerance
        self.add_state("right", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("total", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, depth: Tensor, centre: Tensor) -> None:
        """Add a batch."""
        right, total = right_at_centres(logits, depth, centre, self.tolerance)
        self.right += right
        self.total += total

    def compute(self) -> Tensor:
        """Return the share, NaN where there was no column."""
        return self.right / self.total


class ColumnDice(Metric):
    """Dice coefficient of column pixels against background, over all pixels seen; see `dice_counts`."""

    higher_is_better = True
    full_state_update = False
    overlap: Tensor
    areas: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("overlap", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("areas", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, membership: Tensor) -> None:
        """Add a batch."""
        overlap, areas = dice_counts(logits, membership)
        self.overlap += overlap
        self.areas += areas

    def compute(self) -> Tensor:
        """Return the coefficient, NaN where neither side had a column pixel."""
        return self.overlap / self.areas
