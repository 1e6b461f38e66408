"""Which setting of a method to believe: the one whose groups come back from a part of the particles.

A wrong number of groups cuts through the particles at a place that depends on which are looked at; a right
one does not (Ben-Hur, Elisseeff & Guyon, Pac. Symp. Biocomput. 2002). One group always comes back, so the
most groups that do are taken (Tibshirani & Walther, J. Comput. Graph. Stat. 14, 511 (2005)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanonet.cluster.partition import Method, Setting, in_order
from nanonet.records import InputError

SAMPLES = 8
"""Parts of the particles that each setting groups anew."""
SHARE = 0.8
"""Of the particles in each part."""
STABLE = 0.95
"""Adjusted Rand index from which on groups have come back."""
USED = 0.7
"""Share of the particles that a setting groups at least, to be believed."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What a setting came to.

    Parameters
    ----------
    labels
        (n,) group of each particle from 0, the largest; -1 for none.
    stability
        Mean adjusted Rand index between these groups and those of parts of the particles, over particles
        that are in a group both times.
    """

    setting: Setting
    labels: Int[np.ndarray, " n"]
    stability: float

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.labels.max(initial=-1)) + 1

    @property
    def used(self) -> float:
        """Share of the particles that are in a group."""
        return float(np.mean(self.labels >= 0))

    @property
    def line(self) -> str:
        """What the log says of it."""
        return (
            f"{self.setting.name}: {self.groups} groups, {100 * self.used:.0f} % of the particles, "
            f"stability {self.stability:.2f}"
        )


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The setting that is believed, why, and what was tried besides."""

    best: Tried
    reason: str
    tried: tuple[Tried, ...]


def search(
    values: Float[np.ndarray, "n f"],
    methods: Sequence[Method],
    rng: np.random.Generator,
    *,
    smallest: int = 20,
) -> Choice:
    """Return the most groups that come back when the particles are resampled.

    Parameters
    ----------
    values
        Features of the particles.
    methods
        Whose settings compete.
    smallest
        Particles that a map needs. Groups of half as many are looked for: a kind of which there are too few
        is a kind, and not a part of the nearest.

    Raises
    ------
    InputError
        If there are fewer particles than one group needs.
    """
    if len(values) < smallest:
        raise InputError(
            f"{len(values)} particles are fewer than a group needs, {smallest}: record more images"
        )
    parts = [_part(len(values), rng) for _ in range(SAMPLES)]
    tried = tuple(
        _try(setting, values, parts, max(2, smallest // 2))
        for method in methods
        for setting in method.settings(values)
    )
    best, reason = _choose(tried)
    return Choice(best=best, reason=reason, tried=tried)


def _part(number: int, rng: np.random.Generator) -> Int[np.ndarray, " m"]:
    return np.sort(rng.choice(number, size=max(2, round(SHARE * number)), replace=False))


def _try(
    setting: Setting, values: Float[np.ndarray, "n f"], parts: Sequence[Int[np.ndarray, " m"]], smallest: int
) -> Tried:
    from sklearn.metrics import adjusted_rand_score

    labels = large_enough(setting.group(values), smallest)
    scores = []
    for part in parts:
        again = large_enough(setting.group(values[part]), round(SHARE * smallest))
        both = (labels[part] >= 0) & (again >= 0)
        scores.append(adjusted_rand_score(labels[part][both], again[both]) if both.any() else 0.0)
    return Tried(setting=setting, labels=labels, stability=float(np.mean(scores)))


def large_enough(labels: Int[np.ndarray, " n"], smallest: int) -> Int[np.ndarray, " n"]:
    """Return groups in the order of their size; the members of those that are too small belong nowhere."""
    size = np.bincount(labels[labels >= 0], minlength=1)
    return in_order(np.where((labels >= 0) & (size[labels] >= smallest), labels, -1))


def _choose(tried: Sequence[Tried]) -> tuple[Tried, str]:
    some = [one for one in tried if one.groups]
    if not some:
        raise InputError("no setting finds a group of particles that are alike; give classes=k_means")
    good = [one for one in some if one.stability >= STABLE and one.used >= USED]
    if good:
        best = max(good, key=lambda one: (one.groups, one.stability * one.used))
        return best, f"{best.line}; the most groups of {len(good)} stable settings out of {len(tried)}"
    best = max(some, key=lambda one: one.stability * one.used)
    return best, f"{best.line}; no setting is stable (from {STABLE}), this is the most stable of {len(tried)}"
