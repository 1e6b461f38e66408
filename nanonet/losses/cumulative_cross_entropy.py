"""Cross-entropy of "deeper than k atoms" for every k: each atom that a depth is missed by costs again."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nanonet.losses.entropy import membership_entropy
from nanonet.losses.precision import single

LEAST = 1e-30
"""Chance below which a wrong prediction costs no more; `torch.logcumsumexp` needs no such end, but ten times
the time."""


def cumulative_cross_entropy(
    logits: Float[Tensor, "b class y x"],
    depth: Int[Tensor, "b y x"],
    membership: Float[Tensor, "b y x"],
    weight: Float[Tensor, "b y x"],
) -> Float[Tensor, ""]:
    """Return the weighted mean of the binary cross-entropies of all thresholds, less those of the labels.

    The loss of ordinal regression by thresholds (Cao, Mirjalili and Raschka, 2020, arXiv 1901.07884), with
    the cumulated chances of a softmax in place of logits of their own: these are in order by themselves. The
    soft label is class ``depth`` with chance ``membership``, else background, a depth of 0 atoms. A
    logarithmic score, so that the chances are asked to be right, as `earth_mover` does by squares.

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
    chances = logits.softmax(dim=1)
    # Each side is summed from its own end, so that a small chance is not the difference of two near 1.
    log_at_most = chances[:, :-1].cumsum(dim=1).clamp(min=LEAST).log()
    log_deeper = chances.flip(1)[:, :-1].cumsum(dim=1).flip(1).clamp(min=LEAST).log()
    thresholds = torch.arange(logits.shape[1] - 1, device=logits.device)[None, :, None, None]
    deeper = torch.where(thresholds < depth[:, None], membership[:, None], 0.0)
    cross_entropy = -(deeper * log_deeper + (1 - deeper) * log_at_most).sum(dim=1)
    surplus = cross_entropy - depth * membership_entropy(depth, membership)
    return (weight * surplus).sum() / weight.sum()


class CumulativeCrossEntropy(nn.Module):
    """`cumulative_cross_entropy` as a module; logits of half precision are computed in float32."""

    def forward(self, logits: Tensor, depth: Tensor, membership: Tensor, weight: Tensor) -> Tensor:
        """Return the loss of a batch."""
        return cumulative_cross_entropy(single(logits), depth, membership, weight)
