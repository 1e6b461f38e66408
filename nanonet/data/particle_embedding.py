"""Training data for the embedding of particles: populations of views, each with its kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from nanonet.records import InputError, PopulationSample
from nanonet.views import views


@runtime_checkable
class PopulationSampler(Protocol):
    """Draws populations of numbered kinds."""

    @property
    def structures(self) -> Sequence[int]:
        """Numbers of the kinds that it can draw."""

    def draw(self, structures: Sequence[int], rng: np.random.Generator) -> PopulationSample:
        """Draw a population of some kinds, always of as many particles."""


class ParticleEmbeddingItem(NamedTuple):
    """One population; a batch of it has a batch axis first.

    Parameters
    ----------
    image
        (n, 3, y, x) float32, see `nanonet.views.Views.planes`.
    kind
        (n,) int64 from 0; -1 for what is of no kind.
    """

    image: Tensor
    kind: Tensor


class ParticleEmbeddingDataset(Dataset[ParticleEmbeddingItem]):
    """Populations drawn on the fly; index epoch · epoch_size + i is item i of an epoch.

    An item depends on the seed and its index alone. Validation draws what training draws, of other kinds.

    Parameters
    ----------
    sampler
        Draws the populations.
    structures
        Kinds of this split.
    epoch_size
        Populations in an epoch.
    seed
        Another seed draws others.
    kinds
        Of a population.
    """

    def __init__(
        self,
        sampler: PopulationSampler,
        structures: Sequence[int],
        epoch_size: int,
        seed: int = 0,
        kinds: int = 8,
    ) -> None:
        if epoch_size < 1 or not 2 <= kinds <= len(structures):
            raise InputError(
                f"a population of {kinds} kinds cannot be drawn of {len(structures)}: "
                "give data.sampler.bodies.number more, or data.dataset.kinds fewer"
            )
        self.sampler = sampler
        self.structures = tuple(structures)
        self.epoch_size = epoch_size
        self.seed = seed
        self.kinds = kinds

    @property
    def classes(self) -> None:
        """None: kinds are new in every population."""

    def __len__(self) -> int:
        return self.epoch_size

    def sample(self, index: int) -> PopulationSample:
        """Draw the population of an index."""
        rng = np.random.default_rng([self.seed, *divmod(index, self.epoch_size)])
        chosen = rng.choice(len(self.structures), self.kinds, replace=False)
        return self.sampler.draw([self.structures[i] for i in chosen], rng)

    def __getitem__(self, index: int) -> ParticleEmbeddingItem:
        sample = self.sample(index)
        planes = views(sample.particles).planes()
        return ParticleEmbeddingItem(
            torch.from_numpy(planes), torch.from_numpy(sample.kinds.astype(np.int64))
        )
