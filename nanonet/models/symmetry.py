"""The eight symmetries of a square, on tensors (…, y, x).

Number g mirrors x if g is 4 or more, then turns by g % 4 quarters.
"""

from __future__ import annotations

import torch
from torch import Tensor

ORDER = 8


def symmetry(image: Tensor, number: int) -> Tensor:
    """Return a tensor (…, y, x) mirrored and turned by quarters, from x towards -y (`torch.rot90`)."""
    mirrored = image.flip(-1) if number >= ORDER // 2 else image
    return torch.rot90(mirrored, number % 4, (-2, -1))


def inverse(number: int) -> int:
    """Return the number of the symmetry that undoes one: a mirror undoes itself, a turn the turn back."""
    return number if number >= ORDER // 2 else -number % 4


def relative_symmetries() -> list[list[int]]:
    """Return for each g and h the number of g⁻¹h, from what they do to the corners of a square."""
    corners = torch.arange(4).reshape(2, 2)
    known = [symmetry(corners, g).flatten().tolist() for g in range(ORDER)]
    return [
        [known.index(symmetry(symmetry(corners, h), inverse(g)).flatten().tolist()) for h in range(ORDER)]
        for g in range(ORDER)
    ]
