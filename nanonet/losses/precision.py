"""Losses are summed over many pixels: half precision is too coarse for that."""

from __future__ import annotations

import torch
from torch import Tensor


def single(logits: Tensor) -> Tensor:
    """Return logits in float32 at least."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
