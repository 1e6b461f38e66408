"""What networks learn from, and networks that are ready to be applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32, Int

from nanonet.records.calibration import Calibration
from nanonet.records.confidence import ParticleConfidence
from nanonet.records.errors import InputError
from nanonet.records.familiarity import Familiarity
from nanonet.records.images import Modality
from nanonet.records.results import ParticleImages


@dataclass(frozen=True, kw_only=True)
class ColumnSample:
    """A drawn training image of a crystal on a zone axis, with its exact truth.

    Parameters
    ----------
    image
        Counts (y, x), float32; or (frame, y, x), frames in a row, of which the truth is the middle one's.
    positions
        (n, 2) column positions (y, x) in Å from the centre of the first pixel, of columns of depth >= 1.
    depths
        (n,) atoms in the column.
    structure
        Which simulated structure it was drawn from; splits go by this.
    settings
        What was drawn: dose [e/Å²], defocus [Å], ... each under its name.
    counts_per_atom
        What an atom adds to the sum of the image's pixels, in the mean over its atoms, where intensities add
        up, as in HAADF. None where they do not, or nobody knows.
    """

    image: Float[np.ndarray, "*frame y x"]
    pixel_size: float
    positions: Float[np.ndarray, "n 2"]
    depths: Int[np.ndarray, " n"]
    structure: int
    settings: Mapping[str, float] = field(default_factory=dict)
    counts_per_atom: float | None = None

    @property
    def frames(self) -> Float[np.ndarray, "frame y x"]:
        """The frames in a row, one where the image stands alone."""
        return self.image.reshape(-1, *self.image.shape[-2:])


@dataclass(frozen=True, kw_only=True)
class MaskSample:
    """An image of particles with the truth of every pixel.

    Parameters
    ----------
    image
        Intensities (y, x), float32, in any unit.
    instances
        (y, x) the particle on every pixel, 0 for none, -1 where nobody knows: such pixels teach nothing.
    structure
        What it is of, or where it is from; splits go by this.
    pixel_size
        Å, None where it is not known.
    settings
        What was drawn: dose [e/Å²], defocus [Å], ... each under its name.
    """

    image: Float[np.ndarray, "y x"]
    instances: Int[np.ndarray, "y x"]
    structure: int
    pixel_size: float | None = None
    settings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PopulationSample:
    """Drawn particles of several kinds, as if cut out of the images of one population.

    Parameters
    ----------
    particles
        The n cuts.
    kinds
        (n,) which kind each is a view of, from 0; -1 for one that is of none (broken, fused).
    """

    particles: ParticleImages
    kinds: Int[np.ndarray, " n"]


def told_planes(
    frames: Float[np.ndarray, "frame y x"], counts_per_atom: float | None
) -> Float32[np.ndarray, "plane y x"]:
    """Return the planes that a network reads which can be told how many counts an atom adds.

    Behind the frames comes a plane of that number everywhere, of zeros where it is unknown.
    """
    told = np.full((1, *frames.shape[1:]), counts_per_atom or 0.0)
    return np.ascontiguousarray(np.concatenate([frames, told]), np.float32)


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork:
    """A network ready to be applied, free of any framework.

    Parameters
    ----------
    predict
        Maps counts (b, frame, y, x), float32, of any size to logits (b, class, y, x) of the same y and x;
        what comes behind the frames, `read` adds. The network normalises by itself, so that training and
        inference can never differ in it.
    task
        "column_depth" (class d is a column of d atoms, class 0 background) or "particle_mask".
    pixel_size
        Å per pixel of the images it was trained on: an image is resampled to it first. None for a network
        that reads images of any.
    trained_range
        Lowest and highest value of each setting in training, e.g. {"dose": (200.0, 4000.0)}.
    name
        Where it was loaded from.
    sha256
        Of its weights.
    frames
        In a row that it reads together, for what is in the middle one: odd.
    takes_counts_per_atom
        Whether it can be told how much an atom adds to the image.
    calibration
        What makes its probabilities come true; None where that was not measured.
    told_calibration
        The same where it was told the counts an atom; None if it cannot be.
    familiarity
        What the frames of its training are like; None where that was not measured.
    confidence
        How far its particles are to be believed; None where it finds none, or that was not measured.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    task: str
    pixel_size: float | None
    modality: Modality | None
    trained_range: Mapping[str, tuple[float, float]]
    name: str
    sha256: str
    frames: int = 1
    takes_counts_per_atom: bool = False
    calibration: Calibration | None = None
    told_calibration: Calibration | None = None
    familiarity: Familiarity | None = None
    confidence: ParticleConfidence | None = None

    @property
    def sampling(self) -> float:
        """The pixel size that images have to be resampled to [Å].

        Raises
        ------
        InputError
            If it reads images of any.
        """
        if self.pixel_size is None:
            raise InputError(f"{self.name} reads images of any pixel size: columns need another network")
        return self.pixel_size

    def calibrated(self, *, told: bool) -> Calibration | None:
        """Return the calibration of readings with the counts an atom or without."""
        return self.told_calibration if told else self.calibration

    def read(
        self, frames: Float[np.ndarray, "frame y x"], counts_per_atom: float | None = None
    ) -> Float[np.ndarray, "class y x"]:
        """Return the logits of what is in the middle one of some frames of raw counts.

        Parameters
        ----------
        frames
            As many as ``frames`` says.
        counts_per_atom
            What an atom adds to the sum of a frame's pixels, where that is known.

        Raises
        ------
        InputError
            If that is told to a network which was not trained to be told it.
        """
        if counts_per_atom is not None and not self.takes_counts_per_atom:
            raise InputError(f"{self.name} cannot be told the counts an atom: leave counts_per_atom away")
        planes = told_planes(frames, counts_per_atom) if self.takes_counts_per_atom else frames
        return np.asarray(self.predict(np.ascontiguousarray(planes, np.float32)[None])[0])
