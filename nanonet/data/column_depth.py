"""Training data for column depth: images drawn afresh, with their pixel labels, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from nanonet.data.column_labels import label_columns
from nanonet.data.symmetry import random_symmetry
from nanonet.records import ColumnSample, InputError, told_planes


@runtime_checkable
class ColumnSampler(Protocol):
    """Draws images of simulated structures: optics, dose and noise anew each time."""

    @property
    def structures(self) -> Sequence[int]:
        """Numbers of the structures that it can draw."""

    def draw(self, structure: int, rng: np.random.Generator) -> ColumnSample:
        """Draw an image of one structure."""


class ColumnDepthItem(NamedTuple):
    """One image with its labels; a batch of it has a batch axis first.

    Parameters
    ----------
    image
        (plane, y, x) float32, raw counts: the network normalises by itself. Behind the frames there may be a
        plane of the counts an atom, see `told_planes`.
    depth
        (y, x) int64, depth class of the nearest column, 0 where none is near.
    membership
        (y, x) float32, chance that the pixel belongs to that column, not to the background.
    weight
        (y, x) float32, weight in the loss.
    centre
        (y, x) bool, True at the pixel nearest to each column.
    settings
        (k,) float32, how the image was recorded: those settings that the dataset names.
    """

    image: Tensor
    depth: Tensor
    membership: Tensor
    weight: Tensor
    centre: Tensor
    settings: Tensor


class ColumnDepthDataset(Dataset[ColumnDepthItem]):
    """Images drawn on the fly; index epoch · epoch_size + i is item i of an epoch.

    An item depends on the seed and its index alone, whichever worker draws it.

    Parameters
    ----------
    sampler
        Draws the images.
    structures
        The structures of this split; each is drawn equally often.
    epoch_size
        Items in an epoch.
    seed
        Another seed draws other images.
    label_width
        Width of the label of a column [Å], see `label_columns`.
    max_depth
        Deeper columns are labelled with this class.
    column_weight
        Weight in the loss of a column's centre; the background weighs 1.
    told_chance
        For networks that can be told how many counts an atom adds: how often they are. None for others.
    told_error
        Relative standard deviation of what they are told.
    settings
        Names of the settings of the microscope that an item tells, for a network to learn from.
    """

    def __init__(
        self,
        sampler: ColumnSampler,
        structures: Sequence[int],
        epoch_size: int,
        seed: int = 0,
        label_width: float = 0.6,
        max_depth: int = 10,
        column_weight: float = 5.0,
        told_chance: float | None = None,
        told_error: float = 0.05,
        settings: Sequence[str] = (),
    ) -> None:
        if epoch_size < 1 or not structures:
            raise InputError(
                "a dataset needs structures and items: got "
                f"{len(structures)} structures, epoch_size {epoch_size}"
            )
        self.sampler = sampler
        self.structures = tuple(structures)
        self.epoch_size = epoch_size
        self.seed = seed
        self.label_width = label_width
        self.max_depth = max_depth
        self.column_weight = column_weight
        self.told_chance = told_chance
        self.told_error = told_error
        self.settings = tuple(settings)

    @property
    def classes(self) -> int:
        """Number of classes of the labels: background and each depth."""
        return self.max_depth + 1

    def __len__(self) -> int:
        return self.epoch_size

    def structure(self, index: int) -> int:
        """Return which structure the image of an index is of."""
        return self.structures[index % len(self.structures)]

    def sample(self, index: int) -> ColumnSample:
        """Draw the image of an index, with its truth; its counts an atom are those that a network is told."""
        epoch, item = divmod(index, self.epoch_size)
        rng = np.random.default_rng([self.seed, epoch, item])
        sample = random_symmetry(self.sampler.draw(self.structure(index), rng), rng)
        return replace(sample, counts_per_atom=self._told(sample, rng))

    def telling(self, chance: float) -> ColumnDepthDataset:
        """Return the same images, of which as many tell how many counts an atom adds."""
        other = copy(self)
        other.told_chance = chance
        return other

    def _told(self, sample: ColumnSample, rng: np.random.Generator) -> float | None:
        if self.told_chance is None or sample.counts_per_atom is None or rng.random() >= self.told_chance:
            return None
        return float(sample.counts_per_atom * np.exp(rng.normal(0.0, self.told_error)))

    def __getitem__(self, index: int) -> ColumnDepthItem:
        sample = self.sample(index)
        labels = label_columns(
            sample.positions,
            sample.depths,
            shape=(sample.image.shape[-2], sample.image.shape[-1]),
            pixel_size=sample.pixel_size,
            width=self.label_width,
            max_depth=self.max_depth,
            column_weight=self.column_weight,
        )
        frames = np.ascontiguousarray(sample.frames, np.float32)
        planes = frames if self.told_chance is None else told_planes(frames, sample.counts_per_atom)
        depth, membership, weight, centre = (torch.from_numpy(label) for label in labels)
        return ColumnDepthItem(
            image=torch.from_numpy(planes),
            depth=depth,
            membership=membership,
            weight=weight,
            centre=centre,
            settings=self._settings(sample),
        )

    def _settings(self, sample: ColumnSample) -> Tensor:
        missing = [name for name in self.settings if name not in sample.settings]
        if missing:
            raise InputError(
                f"data.dataset.settings names {', '.join(missing)}; the images have "
                f"{', '.join(sorted(sample.settings))}"
            )
        return torch.tensor([sample.settings[name] for name in self.settings], dtype=torch.float32)
