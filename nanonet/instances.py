"""Particles against the truth: matched one to one, counted, and how well their pixels agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


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

    found_names, one = _numbered(found)
    true_names, other = _numbered(true)
    shape = (len(found_names), len(true_names))
    common = np.bincount(one * shape[1] + other, minlength=shape[0] * shape[1]).reshape(shape)
    areas = common.sum(axis=1)[:, None] + common.sum(axis=0)
    iou = common / np.maximum(areas - common, 1)
    iou = iou[found_names > 0][:, true_names > 0]
    rows, columns = linear_sum_assignment(-np.where(iou > threshold, iou, 0.0))
    good = iou[rows, columns] > threshold
    rows, columns = rows[good], columns[good]
    pairs = np.stack([found_names[found_names > 0][rows], true_names[true_names > 0][columns]], axis=1)
    return InstanceMatch(pairs=pairs, iou=iou[rows, columns], found=iou.shape[0], true=iou.shape[1])


def _numbered(labels: Int[np.ndarray, "y x"]) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " p"]]:
    """Return the labels that occur, and which of them each pixel has: `np.unique` without sorting."""
    pixels = labels.ravel()
    if not pixels.size or pixels.min() < 0 or pixels.max() > pixels.size:
        names, inverse = np.unique(pixels, return_inverse=True)
        return names, inverse
    there = np.bincount(pixels) > 0
    return np.flatnonzero(there), (np.cumsum(there) - 1)[pixels]
