"""What is independent in a table of particles, and what intervals it gives when that is drawn anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, UInt8

RESAMPLES = 1000
_FEWEST = {"images": 2, "tracks": 4, "particles": 4}
"""Resampling fewer of these says nothing of how they scatter."""
_UNLINKED = "unlinked frames"
_INTERVAL = (5.0, 95.0)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Particles, each of a group; groups are independent of each other.

    Parameters
    ----------
    rows
        Of particles.csv.
    group
        Of each, from 0.
    kind
        What a group is.
    """

    rows: pd.DataFrame
    group: Int[np.ndarray, " n"]
    kind: str

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.group.max()) + 1 if len(self.group) else 0

    @property
    def enough(self) -> bool:
        """Whether there is an interval."""
        return self.groups >= _FEWEST.get(self.kind, np.inf)

    @property
    def how(self) -> str:
        """How intervals come about, or why there are none."""
        if self.kind == _UNLINKED:
            return "the frames are not linked: no interval"
        if not self.enough:
            return f"{self.groups} {self.kind} are too few for an interval"
        of = " of this image alone" if self.kind == "particles" else ""
        return f"resampled over {self.groups} {self.kind}{of}"

    def drawn(self) -> UInt8[np.ndarray, "r g"]:
        """Return how often each group comes when as many are drawn with replacement, the same every time."""
        rng, groups = np.random.default_rng([0]), self.groups
        found = np.empty((RESAMPLES, groups), dtype=np.uint8)
        for times in found:
            times[:] = np.bincount(rng.integers(groups, size=groups), minlength=groups)
        return found


def sample_of(rows: pd.DataFrame) -> Sample:
    """Return particles in groups: images where there are several, else tracks, else the particles."""
    if rows["image"].nunique() >= _FEWEST["images"]:
        return Sample(rows=rows, group=pd.factorize(rows["image"])[0], kind="images")
    if len(rows) and rows["track_id"].notna().all():
        keys = rows["image"].astype(str) + "/" + rows["track_id"].astype(str)
        return Sample(rows=rows, group=pd.factorize(keys)[0], kind="tracks")
    if rows["frame"].nunique() > 1:  # the same particles again and again, nobody knows which
        return Sample(rows=rows, group=np.zeros(len(rows), dtype=int), kind=_UNLINKED)
    return Sample(rows=rows, group=np.arange(len(rows)), kind="particles")


def interval(
    middle: Float[np.ndarray, " k"], draws: Float[np.ndarray, "r k"], groups: int
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Return the 90 % intervals of quantities that are 0 or more, of which NaN draws say nothing.

    Percentiles of a bootstrap are too narrow for few groups: the variance of n drawn from n is smaller by
    (n - 1) / n, and they are those of a normal distribution in place of Student's t. Both are put right
    (Hesterberg, Am. Stat. 69, 371 (2015)).
    """
    from scipy.stats import norm, t

    end = _INTERVAL[1] / 100
    wider = np.sqrt(groups / (groups - 1)) * t.ppf(end, groups - 1) / norm.ppf(end)
    low, high = middle + wider * (np.nanpercentile(draws, _INTERVAL, axis=0) - middle)
    return np.maximum(low, 0.0), high
