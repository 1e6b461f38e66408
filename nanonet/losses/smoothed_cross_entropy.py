"""Cross-entropy with labels that are smoothed over neighbouring depths, not only towards the background."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nanonet.losses.entropy import membership_entropy
from nanonet.losses.precision import single
from nanonet.records import InputError


def smoothed_cross_entropy(
    logits: Float[Tensor, "b class y x"],
    depth: Int[Tensor, "b y x"],
    membership: Float[Tensor, "b y x"],
    weight: Float[Tensor, "b y x"],
    spread: float,
) -> Float[Tensor, ""]:
    """Return the weighted mean over pixels of the cross-entropy, less the entropy of the labels.

    The label of a pixel is class 0, background, with chance 1 - ``membership``, and class k > 0 with chance
    ``membership`` times a Gaussian of (k - ``depth``), normalised over the classes there are (soft labels of
    Díaz and Marathe, 2019, CVPR, with squared differences as distance). The chances learnt this way are those
    of the depth blurred by the Gaussian: intervals come out too wide unless they are calibrated.

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
    spread
        Standard deviation of the Gaussian [atoms].
    """
    labels = smoothed_labels(logits.shape[1], spread).to(logits)
    # Σ_k label(k | depth) log p(k): first for every depth that there is, then for the pixel's own.
    scores = torch.einsum("dk,bkyx->bdyx", labels, logits.log_softmax(dim=1))
    cross_entropy = -(membership * scores.gather(1, depth[:, None])[:, 0] + (1 - membership) * scores[:, 0])
    of_depth = -torch.xlogy(labels, labels).sum(dim=1)
    entropy = membership_entropy(depth, membership) + membership * of_depth[depth]
    return (weight * (cross_entropy - entropy)).sum() / weight.sum()


def smoothed_labels(classes: int, spread: float) -> Float[Tensor, "depth class"]:
    """Return the chance of each class for a column of each depth; row 0 is the background."""
    depths = torch.arange(classes, dtype=torch.float64)
    labels = torch.exp(-0.5 * ((depths[:, None] - depths) / spread) ** 2)
    labels[:, 0] = 0.0  # smoothing does not make a column vanish
    labels[0] = depths == 0
    return labels / labels.sum(dim=1, keepdim=True)


class SmoothedCrossEntropy(nn.Module):
    """`smoothed_cross_entropy` as a module; logits of half precision are computed in float32.

    Parameters
    ----------
    spread
        Standard deviation of the labels over depth [atoms].

    Raises
    ------
    InputError
        If the spread is not positive.
    """

    def __init__(self, spread: float = 0.5) -> None:
        super().__init__()
        if not spread > 0:
            raise InputError(f"the spread of depth labels must be positive, got {spread} atoms")
        self.spread = spread

    def forward(self, logits: Tensor, depth: Tensor, membership: Tensor, weight: Tensor) -> Tensor:
        """Return the loss of a batch."""
        return smoothed_cross_entropy(single(logits), depth, membership, weight, self.spread)
