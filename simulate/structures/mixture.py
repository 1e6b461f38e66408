"""Several recipes mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nanonet.records import InputError
from simulate.specimen import Specimen, SpecimenRecipe


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """One of several recipes a specimen.

    Parameters
    ----------
    recipes
        Of particles, files, or mixtures again.
    weights
        How often each is drawn, relative to the others; all alike where none are given.
    """

    recipes: Sequence[SpecimenRecipe]
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if not self.recipes:
            raise InputError("a Mixture needs recipes")
        weights = self.weights
        if weights is not None and (
            len(weights) != len(self.recipes) or min(weights) < 0 or not sum(weights) > 0
        ):
            raise InputError(
                f"weights must be one for each of {len(self.recipes)} recipes, got {list(weights)}"
            )

    def draw(self, rng: np.random.Generator) -> Specimen:
        """Draw a specimen."""
        return self.choose(rng).draw(rng)

    def choose(self, rng: np.random.Generator) -> SpecimenRecipe:
        """Draw which recipe it is."""
        weights = np.ones(len(self.recipes)) if self.weights is None else np.array(self.weights, dtype=float)
        return self.recipes[int(rng.choice(len(self.recipes), p=weights / weights.sum()))]
