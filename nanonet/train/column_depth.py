"""Learning column depth: one network, one loss, and what is logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from nanonet.data.column_depth import ColumnDepthDataset, ColumnDepthItem
from nanonet.metrics.column_depth import ColumnDice, DepthAccuracy
from nanonet.records import Estimate, InputError
from nanonet.train.evaluation import evaluate_column_depth


class ColumnDepthModule(LightningModule):
    """Trains a network that gives each pixel a chance of each depth.

    Logs ``train/loss``, ``val/loss``, ``val/exact``, ``val/within_one`` and ``val/dice``, once an epoch.

    Parameters
    ----------
    network
        Raw counts (b, 1, y, x) to logits (b, class, y, x).
    loss
        Called with (logits, depth, membership, weight).
    optimizer
        Called with the network's parameters.
    scheduler
        Called with the optimizer and ``steps``, the optimizer steps of the whole run; stepped after each.
    """

    task = "column_depth"

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
        self.exact = DepthAccuracy()
        self.within_one = DepthAccuracy(tolerance=1)
        self.dice = ColumnDice()

    def forward(self, counts: Tensor) -> Tensor:
        """Return the logits of raw counts."""
        logits: Tensor = self.network(counts.contiguous(memory_format=torch.channels_last))
        return logits

    def training_step(self, batch: ColumnDepthItem) -> Tensor:
        """Return the loss of a batch."""
        loss: Tensor = self.loss(self(batch.image), batch.depth, batch.membership, batch.weight)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.image))
        return loss

    def validation_step(self, batch: ColumnDepthItem) -> None:
        """Add a batch to the metrics."""
        logits = self(batch.image).float()
        loss = self.loss(logits, batch.depth, batch.membership, batch.weight)
        self.exact.update(logits, batch.depth, batch.centre)
        self.within_one.update(logits, batch.depth, batch.centre)
        self.dice.update(logits, batch.membership)
        logged = {
            "val/loss": loss,
            "val/exact": self.exact,
            "val/within_one": self.within_one,
            "val/dice": self.dice,
        }
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(batch.image))

    def on_validation_epoch_end(self) -> None:
        """Stop where the training has diverged, before the last good state is overwritten."""
        loss = self.trainer.callback_metrics.get("val/loss")
        if loss is not None and not torch.isfinite(loss):
            raise InputError(
                f"training diverged: val/loss is {float(loss)} after epoch {self.current_epoch}; "
                "lower module.optimizer.lr"
            )

    def configure_optimizers(self) -> Mapping[str, Any]:
        """Return the optimizer with its schedule."""
        optimizer = self.optimizer(self.network.parameters())
        scheduler = self.scheduler(optimizer, steps=int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def evaluate(self, dataset: ColumnDepthDataset) -> tuple[Estimate, ...]:
        """Return the headline numbers of the network on a dataset, with their intervals."""
        return evaluate_column_depth(self.network, dataset)
