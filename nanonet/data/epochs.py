"""Epochs of drawn data: a sampler whose indices say which epoch they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch.utils.data import Sampler


class EpochSampler(Sampler[int]):
    """Yields epoch · size + i for i < size, so that an item's noise follows from its index alone.

    The epoch is asked for when iteration starts: it reaches workers that live through many epochs, and a
    training that goes on after a stop draws just what it would have drawn without it.

    Parameters
    ----------
    size
        Items in an epoch.
    epoch
        Returns the number of the epoch that starts.
    """

    def __init__(self, size: int, epoch: Callable[[], int]) -> None:
        self.size = size
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        start = self.epoch() * self.size
        return iter(range(start, start + self.size))
