"""Learning a network that says something of every pixel: what all such training has in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from nanonet.records import InputError
from nanonet.train.card import NetworkCard


class DenseModule(LightningModule):
    """One network, one loss, one optimizer with its schedule; a task adds its steps and its card.

    Parameters
    ----------
    network
        Raw counts (b, frame, y, x) to maps (b, class, y, x).
    loss
        Called with the maps and what the task is to learn.
    optimizer
        Called with the network's parameters.
    scheduler
        Called with the optimizer and ``steps``, the optimizer steps of the whole run; stepped after each.
    """

    task: str

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., LRScheduler],
    ) -> None:
        super().__init__()
        # On a CPU convolutions are fastest with the channels last.
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.loss = loss
        self.optimizer = optimizer
        self.scheduler = scheduler

    def card(self, training: Any, validation: Any) -> NetworkCard:
        """Return what the network learnt from one dataset, and how good it is on another."""
        raise NotImplementedError

    def trusted(self, card: NetworkCard, training: Any, validation: Any) -> NetworkCard:
        """Return the card with what tells when the network is to be believed."""
        raise NotImplementedError

    def penalty(self, maps: Tensor, batch: Any) -> Tensor:
        """Return the loss of what the network says of a batch."""
        raise NotImplementedError

    def forward(self, counts: Tensor) -> Tensor:
        """Return the maps of raw counts."""
        maps: Tensor = self.network(counts.contiguous(memory_format=torch.channels_last))
        return maps

    def training_step(self, batch: Any) -> Tensor:
        """Return the loss of a batch, which has its images under ``image``."""
        loss = self.penalty(self(batch.image), batch)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.image))
        return loss

    def on_validation_epoch_end(self) -> None:
        """Stop where the training has diverged, before the last good state is overwritten."""
        loss = self.trainer.callback_metrics.get("val/loss")
        if loss is not None and not torch.isfinite(loss):
            raise InputError(
                f"training diverged: val/loss is {float(loss)} after epoch {self.current_epoch}; "
                "lower module.optimizer.lr"
            )

    def learnt(self) -> Iterable[nn.Parameter]:
        """Return the parameters that training changes."""
        return list(self.network.parameters())

    def configure_optimizers(self) -> Mapping[str, Any]:
        """Return the optimizer with its schedule."""
        optimizer = self.optimizer(self.learnt())
        scheduler = self.scheduler(optimizer, steps=int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
