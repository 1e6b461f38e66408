"""What is left of a cross-entropy at the best prediction: the entropy of the labels themselves."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def membership_entropy(
    depth: Int[Tensor, "b y x"], membership: Float[Tensor, "b y x"]
) -> Float[Tensor, "b y x"]:
    """Return the entropy [nat] of whether a pixel is of its column or of the background.

    It is 0 where no column is near (``depth`` 0): column and background are one class there.
    """
    sure = torch.where(depth > 0, membership, torch.ones_like(membership))
    return -(torch.xlogy(sure, sure) + torch.xlogy(1 - sure, 1 - sure))
