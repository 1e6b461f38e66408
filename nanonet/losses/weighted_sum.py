"""Several losses at once."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from nanonet.records import InputError


class WeightedSum(nn.Module):
    """The sum of losses, each with its factor.

    Parameters
    ----------
    losses
        Losses under names of their own.
    factors
        A factor for each name.

    Raises
    ------
    InputError
        If a loss has no factor, or a factor no loss.
    """

    def __init__(self, losses: Mapping[str, nn.Module], factors: Mapping[str, float]) -> None:
        super().__init__()
        if set(losses) != set(factors):
            raise InputError(f"each loss needs a factor: losses {sorted(losses)}, factors {sorted(factors)}")
        self.losses = nn.ModuleDict(losses)
        self.factors = dict(factors)

    def forward(self, *batch: Tensor) -> Tensor:
        """Return the loss of a batch; the tensors are handed to each loss."""
        total = sum(self.factors[name] * loss(*batch) for name, loss in self.losses.items())
        if not isinstance(total, Tensor):
            raise InputError("a weighted sum needs at least one loss")
        return total
