"""Several samplers as one: images drawn by hand and simulated fields together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nanonet.records import InputError


class MixedSampler:
    """Draws from several samplers; their structures are numbered one after the other.

    So the first sampler's structures keep their numbers, and fall on the same sides of a split, whatever is
    added behind them.

    Parameters
    ----------
    samplers
        To draw from, each with its ``structures``.

    Raises
    ------
    InputError
        If there are none.
    """

    def __init__(self, samplers: Sequence[Any]) -> None:
        if not samplers:
            raise InputError("a mixture needs samplers, got none")
        self.samplers = tuple(samplers)
        self.owners: tuple[tuple[int, int], ...] = tuple(
            (index, structure) for index, sampler in enumerate(samplers) for structure in sampler.structures
        )
        self.structures = range(len(self.owners))

    def draw(self, structure: int, rng: np.random.Generator) -> Any:
        """Draw a sample of a structure."""
        index, own = self.owners[structure]
        return self.samplers[index].draw(own, rng)
