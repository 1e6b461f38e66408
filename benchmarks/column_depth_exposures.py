"""Movies of which all is known, and what a camera or a scan records of them at a dose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from jaxtyping import Float, Float32, Int

from nanonet.records import Micrograph, Modality, Series, Stack

if TYPE_CHECKING:
    from nanonet.records import Frames
    from simulate.imaging import Setting

FRAME_TIME = 0.5
"""s."""


@dataclass(frozen=True, kw_only=True)
class KnownMovie:
    """The expected frames of a particle, and what is true of them.

    Parameters
    ----------
    name
        Of the particle.
    crystal
        And its zone axis, as folders are named: "ceo2_110".
    modality, energy
        As of `nanonet.records.Micrograph`.
    expected
        (t, y, x) electrons a pixel at the dose of ``setting``, after the transfer of camera or probe.
    positions
        (t, place, 2) (y, x) [Å] from the centre of the first pixel: every place that ever holds a column.
    depths
        (t, place) counted atoms, 0 where there is none now.
    setting
        Of microscope and detector; its dose is the unit in which doses are given.
    """

    name: str
    crystal: str
    modality: Modality
    energy: float
    expected: Float32[np.ndarray, "t y x"]
    positions: Float[np.ndarray, "t place 2"]
    depths: Int[np.ndarray, "t place"]
    setting: Setting


@dataclass(frozen=True, kw_only=True, eq=False)
class Exposure:
    """A movie as it was recorded; each is equal to itself only.

    Parameters
    ----------
    series
        Its frames, as a pipeline would read them from a file.
    movie
        What is true of it: for readers that are informed.
    frames
        That are to be read.
    """

    series: Series
    movie: KnownMovie
    frames: range

    def to_read(self) -> Iterator[Micrograph]:
        """Yield the frames that are to be read."""
        return (self.series[frame] for frame in self.frames)

    def only(self, frames: range) -> Exposure:
        """Return the movie with other frames to read; where they are the same, the exposure itself."""
        return self if frames == self.frames else replace(self, frames=frames)


def expose(movie: KnownMovie, dose: float, seed: int, *, pixel_size: float | None = None) -> Exposure:
    """Return a movie with the noise of its detector.

    Parameters
    ----------
    dose
        In units of the movie's own: e/Å² a frame in HRTEM, detected electrons an atom in HAADF.
    seed
        Of the noise.
    pixel_size
        That readers are told [Å]; None for the true one.
    """
    import torch

    rng = np.random.default_rng([seed, round(1000 * dose)])
    counts = [
        movie.setting.record(torch.from_numpy(np.float32(dose) * frame), rng) for frame in movie.expected
    ]
    stack = Stack(
        frames=cast("Frames", counts),
        shape=(len(counts), *counts[0].shape),
        name=movie.name,
        pixel_size=pixel_size or movie.setting.pixel_size,
        modality=movie.modality,
        energy=movie.energy,
        dose=dose * movie.setting.dose,
        frame_time=FRAME_TIME,
    )
    series = Series(name=movie.name, stacks=(stack,))
    return Exposure(series=series, movie=movie, frames=range(len(series)))
