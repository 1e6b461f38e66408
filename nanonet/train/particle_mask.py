"""Learning particle masks: which pixels are particle, and how deep inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from nanonet.data.particle_masks import ParticleMaskDataset, ParticleMaskItem
from nanonet.metrics.mask import MaskIoU
from nanonet.train.card import NetworkCard
from nanonet.train.checkpoint import trained_network
from nanonet.train.dense import DenseModule
from nanonet.train.particle_confidence import measure_confidence, whole_images
from nanonet.train.particle_mask_trust import calibrate_mask, evaluate_mask

_MEANING = (
    "Pixels against the truth, pooled over cut-outs at many scales: `iou` and `dice` of the particles, "
    "`background_iou` and `background_dice` of what is beside them, `accuracy` of all. How well single "
    "particles are told apart is in docs/results.md."
)
_LIMITS = (
    "pictures in colour, diffraction patterns, spectra",
    "particles of fewer than some 6 pixels: enlarge them, or record at a higher magnification",
    "atomic columns, grains in a film, pores and cells, of which it has seen next to none",
    "porous, hollow or branched particles, whose parts it may take for particles",
)


class ParticleMaskModule(DenseModule):
    """Trains a network that gives each pixel the log odds of being in a particle, and those of its height.

    Logs ``train/loss``, ``val/loss`` and ``val/iou``, once an epoch. The loss is called with (maps, inside,
    height, weight); the rest is as in `DenseModule`.
    """

    task = "particle_mask"

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., LRScheduler],
    ) -> None:
        super().__init__(network, loss, optimizer, scheduler)
        self.iou = MaskIoU()

    def penalty(self, maps: Tensor, batch: ParticleMaskItem) -> Tensor:
        """Return the loss of what the network says of a batch."""
        loss: Tensor = self.loss(maps, batch.inside, batch.height, batch.weight)
        return loss

    def validation_step(self, batch: ParticleMaskItem) -> None:
        """Add a batch to the metrics."""
        maps = self(batch.image).float()
        loss = self.penalty(maps, batch)
        self.iou.update(maps[:, 0] > 0, batch.inside > 0, batch.weight > 0)
        logged = {"val/loss": loss, "val/iou": self.iou}
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(batch.image))

    def card(self, training: ParticleMaskDataset, validation: ParticleMaskDataset) -> NetworkCard:
        """Return how good the network is on images that it has not seen; its probabilities then come true."""
        calibrate_mask(self.network, validation)
        diameter = (float(training.diameter[0]), float(training.diameter[1]))
        return NetworkCard(
            task=self.task,
            pixel_size=None,
            trained_range={"diameter_px": diameter},
            metrics=evaluate_mask(self.network, validation),
            meaning=_MEANING,
            limits=_LIMITS,
        )

    def trusted(
        self, card: NetworkCard, training: ParticleMaskDataset, validation: ParticleMaskDataset
    ) -> NetworkCard:
        """Return the card with how far particles are to be believed, by whole images of the validation."""
        network = trained_network(self.network, card, self.task)
        samples = whole_images(validation.sampler, validation.structures, seed=validation.seed)
        return replace(card, confidence=measure_confidence(network, samples))
