"""A way of grouping particles, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

Grouping = Callable[[Float[np.ndarray, "n f"]], Int[np.ndarray, " n"]]
"""Groups rows of features (n, f): returns 0, 1, ... for each, -1 for what belongs nowhere."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of a method: what the log calls it, and how it groups."""

    name: str
    group: Grouping


class Method(Protocol):
    """A family of groupings, a variant of the config group ``classes``."""

    def settings(self, values: Float[np.ndarray, "n f"]) -> Iterator[Setting]:
        """Yield what is worth trying on these features."""


def in_order(labels: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Return groups renumbered 0, 1, ... from the largest on; -1 stays."""
    names, inverse, size = np.unique(labels, return_inverse=True, return_counts=True)
    size = np.where(names < 0, -1, size)
    order = np.argsort(-size, kind="stable")
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    return np.where(labels < 0, -1, rank[inverse])


def members(labels: Int[np.ndarray, " n"]) -> list[Bool[np.ndarray, " n"]]:
    """Return the members of each group, 0, 1, ..., as masks."""
    return [labels == number for number in range(int(labels.max(initial=-1)) + 1)]
