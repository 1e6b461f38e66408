"""Particles against the truth: matched one to one, counted, and how well their pixels agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True, kw_only=True)
class InstanceMatch:
    """What of the particles of an image was found.

    Parameters
    ----------
    pairs
        (m, 2) found and true label of the particles that are the same.
    iou
        (m,) intersection over union of each pair.
    found, true
        Numbers of particles.
    """

    pairs: Int[np.ndarray, "m 2"]
    iou: Float[np.ndarray, " m"]
    found: int
    true: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where there is nothing and nothing was found."""
        return 1.0 if not self.found + self.true else 2 * len(self.pairs) / (self.found + self.true)

    @property
    def panoptic_quality(self) -> float:
        """Mean IoU of the pairs times F1 (Kirillov et al., 2019, arXiv 1801.00868)."""
        if not self.found + self.true:
            return 1.0
        return float(2 * self.iou.sum() / (self.found + self.true))


def match_instances(
    found: Int[np.ndarray, "y x"], true: Int[np.ndarray, "y x"], threshold: float = 0.5
) -> InstanceMatch:
    """Match particles whose intersection over union is above a threshold, one to one.

    From 0.5 on no particle can match two; below, pairs are chosen for the largest sum of IoU.

    Parameters
    ----------
    found, true
        Label of every pixel, 0 for none; labels may have gaps.
    """
    from scipy.optimize import linear_sum_assignment

    found_names, one = np.unique(found, return_inverse=True)
    true_names, other = np.unique(true, return_inverse=True)
    shape = (len(found_names), len(true_names))
    common = np.bincount(one.ravel() * shape[1] + other.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
    areas = common.sum(axis=1)[:, None] + common.sum(axis=0)
    iou = common / np.maximum(areas - common, 1)
    iou = iou[found_names > 0][:, true_names > 0]
    rows, columns = linear_sum_assignment(-np.where(iou > threshold, iou, 0.0))
    good = iou[rows, columns] > threshold
    rows, columns = rows[good], columns[good]
    pairs = np.stack([found_names[found_names > 0][rows], true_names[true_names > 0][columns]], axis=1)
    return InstanceMatch(pairs=pairs, iou=iou[rows, columns], found=iou.shape[0], true=iou.shape[1])


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
