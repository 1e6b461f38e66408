"""Squared earth mover's distance over depth: a miss by three atoms costs more than a miss by one."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nanonet.losses.precision import single


def earth_mover(
    logits: Float[Tensor, "b class y x"],
    depth: Int[Tensor, "b y x"],
    membership: Float[Tensor, "b y x"],
    weight: Float[Tensor, "b y x"],
) -> Float[Tensor, ""]:
    """Return the weighted mean of the squared differences of the cumulated chances, summed over classes.

    Implements Hou, Yu and Samaras, 2016 (arXiv 1611.05916), Eq. 6 with l = 2, for the soft label: class
    ``depth`` with chance ``membership``, else background, which is a depth of 0 atoms.

    Parameters
    ----------
    logits
        Of the classes 0 (background) to max_depth.
    depth
        Depth class of the nearest column, 0 where none is near.
    membership
        Chance that the pixel belongs to that column, 0..1.
    weight
        Of each pixel, not negative.
    """
    classes = torch.arange(logits.shape[1], device=logits.device)[None, :, None, None]
    predicted = logits.softmax(dim=1).cumsum(dim=1)
    # Up to, and not including, the column's own class only the background has been passed.
    true = torch.where(classes < depth[:, None], 1 - membership[:, None], 1.0)
    squared = (predicted - true).square().sum(dim=1)
    return (weight * squared).sum() / weight.sum()


class EarthMover(nn.Module):
    """`earth_mover` as a module; logits of half precision are computed in float32."""

    def forward(self, logits: Tensor, depth: Tensor, membership: Tensor, weight: Tensor) -> Tensor:
        """Return the loss of a batch."""
        return earth_mover(single(logits), depth, membership, weight)
