"""Learning column depth: one network, one loss, and what is logged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from nanonet.data.column_depth import ColumnDepthDataset, ColumnDepthItem
from nanonet.data.survey import survey
from nanonet.metrics.column_depth import ColumnDice, DepthAccuracy
from nanonet.train.card import NetworkCard
from nanonet.train.column_depth_trust import trusted
from nanonet.train.dense import DenseModule
from nanonet.train.evaluation import evaluate_column_depth
from nanonet.train.settings_head import SettingsHead

_MEANING = (
    "`exact` and `within_one`: share of true columns whose depth is read right, or right within one atom, "
    "at the pixel nearest to the column's centre; a missed column is wrong. `dice`: column pixels against "
    "background. `calibration_error`: how far the confidence of a column is from the share of such "
    "columns that are right, on average; `coverage`: share of true depths that lie in their 90 % "
    "intervals. Both are of particles that the calibration was not fitted to. `told`: where the network "
    "knows to 5 % how many counts an atom adds."
)
_LIMITS = (
    "images of another modality, material or zone axis than it was trained on",
    "images that were not resampled to its pixel size, and settings outside the ranges above",
    "columns deeper than its last class: they are read as that class",
    "images that were filtered, background-corrected or contrast-inverted: it takes raw counts",
)


class ColumnDepthModule(DenseModule):
    """Trains a network that gives each pixel a chance of each depth.

    Logs ``train/loss``, ``val/loss``, ``val/exact``, ``val/within_one`` and ``val/dice``, once an epoch.

    The loss is called with (logits, depth, membership, weight); the rest is as in `DenseModule`.

    Parameters
    ----------
    settings
        What an image tells beside depths, for a second lesson (`SettingsHead`), whose error is logged as
        ``train/settings``; none for no such lesson.
    settings_weight
        Of that error in the loss.
    """

    task = "column_depth"

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., LRScheduler],
        settings: Sequence[str] = (),
        settings_weight: float = 0.1,
    ) -> None:
        super().__init__(network, loss, optimizer, scheduler)
        self.settings_weight = settings_weight
        self.settings = SettingsHead(network, len(settings)) if settings else None
        self.exact = DepthAccuracy()
        self.within_one = DepthAccuracy(tolerance=1)
        self.dice = ColumnDice()

    def penalty(self, maps: Tensor, batch: ColumnDepthItem) -> Tensor:
        """Return the loss of what the network says of a batch."""
        loss: Tensor = self.loss(maps, batch.depth, batch.membership, batch.weight)
        return loss

    def training_step(self, batch: ColumnDepthItem) -> Tensor:
        """Return the loss of a batch, with that of the second lesson."""
        loss = super().training_step(batch)
        if self.settings is None:
            return loss
        error: Tensor = self.settings(batch.settings)
        self.log("train/settings", error, on_step=False, on_epoch=True, batch_size=len(batch.image))
        return loss + self.settings_weight * error

    def learnt(self) -> Iterable[nn.Parameter]:
        """Return the parameters of the network, and of the head of the second lesson."""
        head = () if self.settings is None else self.settings.parameters()
        return (*self.network.parameters(), *head)

    def validation_step(self, batch: ColumnDepthItem) -> None:
        """Add a batch to the metrics."""
        logits = self(batch.image).float()
        loss = self.penalty(logits, batch)
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

    def card(self, training: ColumnDepthDataset, validation: ColumnDepthDataset) -> NetworkCard:
        """Return what the network learnt from, and how good it is on the validation structures."""
        seen = survey(training)
        return NetworkCard(
            task=self.task,
            pixel_size=seen.pixel_size,
            trained_range=seen.trained_range,
            metrics=evaluate_column_depth(self.network, validation),
            meaning=_MEANING,
            limits=_LIMITS,
        )

    def trusted(
        self, card: NetworkCard, training: ColumnDepthDataset, validation: ColumnDepthDataset
    ) -> NetworkCard:
        """Return the card with what tells when the network is to be believed."""
        return trusted(card, self.network, training, validation)
