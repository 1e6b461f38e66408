"""Splits by structure: images of one particle are never on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from nanonet.records import InputError


@dataclass(frozen=True, kw_only=True)
class Split:
    """Structures to learn from, and structures to judge by; they share none."""

    train: tuple[int, ...]
    validation: tuple[int, ...]


def split_structures(structures: Iterable[int], *, fraction: float = 0.2, seed: int = 0) -> Split:
    """Return a split in which a structure's side depends on itself and the seed only.

    So a structure that is simulated later does not move the others. Each side has at least one structure.

    Parameters
    ----------
    structures
        Their numbers; repeated ones count once.
    fraction
        Expected share of the validation side, between 0 and 1.
    seed
        Another seed gives another split.

    Raises
    ------
    InputError
        For fewer than two structures, or a fraction outside (0, 1).
    """
    if not 0 < fraction < 1:
        raise InputError(f"the validation fraction must be between 0 and 1, got {fraction}")
    ranked = sorted((_uniform(seed, number), number) for number in set(structures))
    if len(ranked) < 2:
        raise InputError(
            f"a split by structure needs at least 2 structures, got {len(ranked)}: simulate more of them"
        )
    below = sum(uniform < fraction for uniform, _ in ranked)
    cut = min(max(below, 1), len(ranked) - 1)
    return Split(
        train=tuple(sorted(number for _, number in ranked[cut:])),
        validation=tuple(sorted(number for _, number in ranked[:cut])),
    )


def _uniform(seed: int, structure: int) -> float:
    """Return a number in [0, 1) that is the same on every machine (Python's own hash is not)."""
    digest = hashlib.sha256(f"{seed}:{structure}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
