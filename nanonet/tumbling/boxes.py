"""The frames of one particle, cut out around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int

from nanonet.reconstruct.images import Spectra, transforms
from nanonet.records import InputError

FEWEST = 200
"""Frames of which a map can be made: a hundred for each half."""
_AT_ONCE = 256
LEFT = 0.9
"""Share of a wave that has to be left for it to be looked at."""


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Square pictures of one particle, brighter than its surroundings, which are 0 on average.

    Parameters
    ----------
    pictures
        (N, s, s); may lie on disk.
    rows
        (n,) of these, which ones are meant.
    frames
        (n,) index of the frame of each.
    centres
        (n, 2), (y, x) of pixel s // 2 of each in its frame [pixel].
    pixel_size
        Å.
    noise
        (k,) variance of a pixel outside of the particle, by shell of frequency [cycles a side] from 0: white
        noise has the same in all.
    transmission
        (2 s, s + 1) what a filter of the frames left of a particle's waves, at the frequencies of
        `numpy.fft.rfft2` of twice the side; None where nothing was filtered.

    Raises
    ------
    InputError
        If there are too few.
    """

    pictures: Float[np.ndarray, "N s s"]
    rows: Int[np.ndarray, " n"]
    frames: Int[np.ndarray, " n"]
    centres: Int[np.ndarray, "n 2"]
    pixel_size: float
    noise: Float[np.ndarray, " k"]
    transmission: Float[np.ndarray, "y h"] | None = None

    def __post_init__(self) -> None:
        if len(self) < FEWEST // 2:
            raise InputError(f"{len(self)} frames show the particle; a map needs {FEWEST} or more")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def side(self) -> int:
        """Pixels of a side."""
        return int(self.pictures.shape[1])

    def read(self, which: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m s s"]:
        """Return some pictures."""
        return np.asarray(self.pictures[self.rows[which]], dtype=np.float32)

    def spectra(self, which: Int[np.ndarray, " m"], circle: float, highest: int | None = None) -> Spectra:
        """Return the transforms of some pictures, half a cycle apart, where waves were not filtered away.

        Parameters
        ----------
        circle
            Radius beyond which nothing of them is seen [pixel].
        highest
            Shell up to which they are wanted; None is all.
        """
        found = transforms(self.read(which), np.zeros((len(which), 2)), circle, highest)
        if self.transmission is None:
            return found
        column, row = (2 * found.frequencies).round().long().unbind(1)
        left = torch.as_tensor(self.transmission)[row % (2 * self.side), column]
        return found.at(left > LEFT)

    @cached_property
    def mean(self) -> Float[np.ndarray, "s s"]:
        """Mean of all pictures: what is left of the particle when it is turned in every way."""
        total = np.zeros((self.side, self.side))
        for start in range(0, len(self), _AT_ONCE):
            total += self.read(np.arange(start, min(start + _AT_ONCE, len(self)))).sum(0, dtype=np.float64)
        return total / len(self)

    def subset(self, which: Int[np.ndarray, " m"]) -> Boxes:
        """Return some of them."""
        return replace(self, rows=self.rows[which], frames=self.frames[which], centres=self.centres[which])
