"""The DataModule: training and validation data from one sampler, split by structure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from nanonet.data.epochs import EpochSampler
from nanonet.data.split import split_structures


@runtime_checkable
class HasStructures(Protocol):
    """Anything that draws samples of numbered structures."""

    @property
    def structures(self) -> Sequence[int]:
        """Numbers of the structures that it can draw."""


class SimulatedData(LightningDataModule):
    """Drawn data: new noise each epoch for training, the same images each time for validation.

    Parameters
    ----------
    sampler
        Draws samples of its structures.
    dataset
        Called with ``sampler``, ``structures``, ``epoch_size`` and ``seed``: returns the dataset of a split.
    batch_size
        Images in a batch.
    epoch_size
        Training images in an epoch.
    validation_size
        Validation images.
    validation_fraction
        Expected share of the structures that are kept for validation.
    seed
        Of the split and of all that is drawn.
    num_workers
        Processes that draw, each with one thread; 0 draws in the training process.

    Attributes
    ----------
    first_epoch
        Set to the number of epochs done before a run that was stopped goes on.
    """

    def __init__(
        self,
        sampler: HasStructures,
        dataset: Callable[..., Dataset[Any]],
        batch_size: int = 8,
        epoch_size: int = 1024,
        validation_size: int = 128,
        validation_fraction: float = 0.2,
        seed: int = 0,
        num_workers: int = 1,
    ) -> None:
        super().__init__()
        self.first_epoch = 0
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.split = split_structures(sampler.structures, fraction=validation_fraction, seed=seed)
        self.training = dataset(
            sampler=sampler, structures=self.split.train, epoch_size=epoch_size, seed=seed
        )
        # Another seed than training's: not even the optics of item i are shared.
        self.validation = dataset(
            sampler=sampler, structures=self.split.validation, epoch_size=validation_size, seed=seed + 1
        )

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the batches of the epoch that the trainer is in; a last, smaller one is left out."""
        size = len(self.training)  # type: ignore[arg-type]
        sampler = EpochSampler(size, self._epoch)
        return self._loader(self.training, sampler=sampler, drop_last=size >= self.batch_size)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the batches of the validation set."""
        return self._loader(self.validation)

    def _epoch(self) -> int:
        # Lightning asks a worker for the first batches before it has counted the epochs of a resumed run.
        return max(self.first_epoch, self.trainer.current_epoch if self.trainer else 0)

    def _loader(self, dataset: Dataset[Any], **options: Any) -> DataLoader[Any]:
        return DataLoader(
            dataset,
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            worker_init_fn=_one_thread,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            **options,
        )


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
