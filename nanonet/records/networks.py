"""What networks learn from, and networks that are ready to be applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from nanonet.records.calibration import Calibration
from nanonet.records.familiarity import Familiarity
from nanonet.records.images import Modality


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
    """

    image: Float[np.ndarray, "*frame y x"]
    pixel_size: float
    positions: Float[np.ndarray, "n 2"]
    depths: Int[np.ndarray, " n"]
    structure: int
    settings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork:
    """A network ready to be applied, free of any framework.

    Parameters
    ----------
    predict
        Maps counts (b, frame, y, x), float32, of any size to logits (b, class, y, x) of the same y and x.
        The network normalises by itself, so that training and inference can never differ in it.
    task
        "column_depth" (class d is a column of d atoms, class 0 background) or "particle_mask".
    pixel_size
        Å per pixel of the images it was trained on: an image is resampled to it first.
    trained_range
        Lowest and highest value of each setting in training, e.g. {"dose": (200.0, 4000.0)}.
    name
        Where it was loaded from.
    sha256
        Of its weights.
    frames
        In a row that it reads together, for what is in the middle one: odd.
    calibration
        What makes its probabilities come true; None where that was not measured.
    familiarity
        What the frames of its training are like; None where that was not measured.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    task: str
    pixel_size: float
    modality: Modality | None
    trained_range: Mapping[str, tuple[float, float]]
    name: str
    sha256: str
    frames: int = 1
    calibration: Calibration | None = None
    familiarity: Familiarity | None = None
