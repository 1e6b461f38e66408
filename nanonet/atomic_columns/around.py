"""The pixels around places of an image, all of them at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class Around:
    """Squares of pixels (n, p) around n places.

    Parameters
    ----------
    y, x
        Indices, those beyond the border kept at it.
    offsets
        (n, p, 2) from the place to the pixel (y, x) [px].
    inside
        Which pixels are inside the image.
    """

    y: Int[np.ndarray, "n p"]
    x: Int[np.ndarray, "n p"]
    offsets: Float[np.ndarray, "n p 2"]
    inside: Bool[np.ndarray, "n p"]

    @classmethod
    def of(cls, positions: Float[np.ndarray, "n 2"], reach: float, shape: tuple[int, ...]) -> Around:
        """Return the pixels up to ``reach`` [px] along y and x from those that the places (y, x) lie in."""
        half = max(1, int(np.ceil(reach)))
        dy, dx = (part.ravel() for part in np.mgrid[-half : half + 1, -half : half + 1])
        corner = np.rint(positions).astype(int)
        y, x = corner[:, :1] + dy, corner[:, 1:] + dx
        inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
        offsets = np.stack([y - positions[:, :1], x - positions[:, 1:]], axis=-1)
        return cls(np.clip(y, 0, shape[0] - 1), np.clip(x, 0, shape[1] - 1), offsets, inside)

    @property
    def r2(self) -> Float[np.ndarray, "n p"]:
        """Squared distances [px²]."""
        return np.asarray(self.offsets[..., 0] ** 2 + self.offsets[..., 1] ** 2)
