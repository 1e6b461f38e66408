"""Learning an embedding: views of one kind of particle lie together, whichever way it lies."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nanonet.data.particle_embedding import ParticleEmbeddingDataset, ParticleEmbeddingItem
from nanonet.losses.prototypes import squared_distances
from nanonet.records import Estimate
from nanonet.train.card import NetworkCard
from nanonet.train.dense import DenseModule

_MEANING = (
    "In populations of kinds that it was not trained on: `nearest` is the share of whole particles whose "
    "vector lies nearest to the mean of their own kind. Kinds overlap in size, and in a quarter of the "
    "populations they are of one matter. What that is worth in grouping is in docs/results.md."
)
_LIMITS = (
    "images other than HAADF: intensity is taken for mass",
    "particles of fewer than some 15 pixels",
    "supported clusters that are no single bodies, core-shell particles, hollow ones",
    "telling sizes apart: by intention it hardly knows them; properties do",
)
_DRAWS = 1000


class ParticleEmbeddingModule(DenseModule):
    """Trains a network that turns views into vectors; the loss is called with vectors (b, n, d) and kinds.

    Logs ``train/loss``, ``val/loss`` and ``val/nearest``, once an epoch. The rest is as in `DenseModule`.
    """

    task = "particle_embedding"

    def forward(self, planes: Tensor) -> Tensor:
        """Return the vectors (b, n, d) of populations (b, n, 3, y, x)."""
        vectors: Tensor = self.network(planes.flatten(0, 1))
        return vectors.reshape(*planes.shape[:2], -1)

    def penalty(self, maps: Tensor, batch: ParticleEmbeddingItem) -> Tensor:
        """Return the loss of the vectors of a batch."""
        loss: Tensor = self.loss(maps, batch.kind)
        return loss

    def validation_step(self, batch: ParticleEmbeddingItem) -> None:
        """Add a batch to the metrics."""
        vectors = self(batch.image).float()
        whole = batch.kind >= 0
        right = nearest(vectors, batch.kind)[whole].float().mean()
        logged = {"val/loss": self.penalty(vectors, batch), "val/nearest": right}
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(batch.image))

    def card(self, training: ParticleEmbeddingDataset, validation: ParticleEmbeddingDataset) -> NetworkCard:
        """Return how well the network knows kinds that it has not seen."""
        return NetworkCard(
            task=self.task,
            pixel_size=None,
            metrics=(self._evaluate(validation),),
            meaning=_MEANING,
            limits=_LIMITS,
        )

    def trusted(
        self, card: NetworkCard, training: ParticleEmbeddingDataset, validation: ParticleEmbeddingDataset
    ) -> NetworkCard:
        """Return the card as it is."""
        return card

    def _evaluate(self, dataset: ParticleEmbeddingDataset) -> Estimate:
        self.eval()
        shares = []
        with torch.inference_mode():
            for index in range(len(dataset)):
                item = dataset[index]
                kind = item.kind[None].to(self.device)
                right = nearest(self(item.image[None].to(self.device)).float(), kind)
                shares.append(float(right[kind >= 0].float().mean()))
        picks = np.random.default_rng(0).integers(len(shares), size=(_DRAWS, len(shares)))
        low, high = np.quantile(np.array(shares)[picks].mean(axis=1), [0.05, 0.95])
        return Estimate(
            name="nearest",
            value=float(np.mean(shares)),
            low=float(low),
            high=float(high),
            note=f"over {len(shares)} populations of {dataset.kinds} kinds",
        )


def nearest(vectors: Tensor, kind: Tensor) -> Tensor:
    """Return which views (b, n) lie nearest to the mean of the other views of their kind."""
    return squared_distances(vectors, kind).argmin(dim=-1) == kind
