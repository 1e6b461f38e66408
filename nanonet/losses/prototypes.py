"""Views of a kind around the mean of its other views, as a Gaussian of unit width; strangers far from all."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from nanonet.losses.precision import single


class PrototypeLoss(nn.Module):
    """Cross-entropy of whose mean a view lies nearest to (Snell et al., 2017, arXiv 1703.05175).

    Kinds are taken for Gaussians of unit width about the mean of their views, the view itself left out: so
    distances in the embedding are in units of the spread of a kind, and groups can be told apart by Gaussian
    mixtures. To lie farther than ``far`` from every mean is a kind of its own, that of the strangers.

    Parameters
    ----------
    far
        Distance from which on a view is of no kind.
    """

    def __init__(self, far: float = 4.5) -> None:
        super().__init__()
        self.far = far

    def forward(self, embedding: Float[Tensor, "b n d"], kind: Int[Tensor, "b n"]) -> Float[Tensor, ""]:
        """Return the loss of a batch of populations.

        Parameters
        ----------
        kind
            From 0 in each population; -1 for strangers. Every kind has at least two views.
        """
        scores = -0.5 * squared_distances(single(embedding), kind)
        nowhere = scores.new_full((*scores.shape[:2], 1), -0.5 * self.far**2)
        logits = torch.cat([scores, nowhere], dim=-1)
        target = torch.where(kind < 0, scores.shape[-1], kind)
        return functional.cross_entropy(logits.flatten(0, 1), target.flatten())


def squared_distances(embedding: Float[Tensor, "b n d"], kind: Int[Tensor, "b n"]) -> Float[Tensor, "b n k"]:
    """Return how far each view is from the mean of every kind, which it does not count in itself."""
    member = functional.one_hot(kind.clamp(min=0), int(kind.max()) + 1) * (kind >= 0).unsqueeze(-1)
    member = member.to(embedding.dtype)
    total, count = member.mT @ embedding, member.sum(dim=1).unsqueeze(-1)
    away = (embedding.unsqueeze(2) - (total / count.clamp(min=1)).unsqueeze(1)).square().sum(dim=-1)
    # With the view left out its own mean is farther by n / (n - 1).
    others = (count / (count - 1).clamp(min=1)).squeeze(-1).unsqueeze(1)
    return torch.where(member > 0, away * others.square(), away)
