"""Spatially weighted cross-entropy with labels that are smoothed towards the background."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nanonet.losses.precision import single


def soft_cross_entropy(
    logits: Float[Tensor, "b class y x"],
    depth: Int[Tensor, "b y x"],
    membership: Float[Tensor, "b y x"],
    weight: Float[Tensor, "b y x"],
) -> Float[Tensor, ""]:
    """Return the weighted mean over pixels of the cross-entropy, less the entropy of the labels.

    The label of a pixel is class ``depth`` with chance g = ``membership`` and class 0, background, with
    1 - g. Without the entropy of the labels (it has no gradient) the least cross-entropy depends on how many
    columns an image has; with it subtracted this is a Kullback–Leibler divergence [nat], 0 at best.

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
    log_probabilities = logits.log_softmax(dim=1)
    column = log_probabilities.gather(1, depth[:, None])[:, 0]
    background = log_probabilities[:, 0]
    cross_entropy = -(membership * column + (1 - membership) * background)
    # Where no column is near, column and background are one class and the label is certain.
    sure = torch.where(depth > 0, membership, torch.ones_like(membership))
    entropy = -(torch.xlogy(sure, sure) + torch.xlogy(1 - sure, 1 - sure))
    return (weight * (cross_entropy - entropy)).sum() / weight.sum()


class SoftCrossEntropy(nn.Module):
    """`soft_cross_entropy` as a module; logits of half precision are computed in float32."""

    def forward(self, logits: Tensor, depth: Tensor, membership: Tensor, weight: Tensor) -> Tensor:
        """Return the loss of a batch."""
        return soft_cross_entropy(single(logits), depth, membership, weight)
