"""Pixels of a mask against the truth: counted, and what the counts say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True, kw_only=True)
class MaskCounts:
    """Pixels of a mask against the truth."""

    both: int
    only_found: int
    only_true: int
    neither: int

    def __add__(self, other: MaskCounts) -> MaskCounts:
        return MaskCounts(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    @property
    def iou(self) -> float:
        """Of the particles; 1 where there are none and none were found."""
        union = self.both + self.only_found + self.only_true
        return self.both / union if union else 1.0

    @property
    def background_iou(self) -> float:
        """Of the background."""
        union = self.neither + self.only_found + self.only_true
        return self.neither / union if union else 1.0

    @property
    def dice(self) -> float:
        """Of the particles."""
        total = 2 * self.both + self.only_found + self.only_true
        return 2 * self.both / total if total else 1.0

    @property
    def background_dice(self) -> float:
        """Of the background."""
        total = 2 * self.neither + self.only_found + self.only_true
        return 2 * self.neither / total if total else 1.0

    @property
    def accuracy(self) -> float:
        """Share of all pixels that are right."""
        total = self.both + self.only_found + self.only_true + self.neither
        return (self.both + self.neither) / total if total else 1.0


def mask_counts(found: Bool[np.ndarray, "y x"], true: Bool[np.ndarray, "y x"]) -> MaskCounts:
    """Return how many pixels are in both masks, in one of them, in none."""
    both = int(np.count_nonzero(found & true))
    one, other = int(np.count_nonzero(found)), int(np.count_nonzero(true))
    return MaskCounts(
        both=both, only_found=one - both, only_true=other - both, neither=found.size - one - other + both
    )
