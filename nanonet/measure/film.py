"""What is known of a movie besides the particles that were found in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanonet.records import InputError


@dataclass(frozen=True, kw_only=True)
class Film:
    """How long a movie is, and how large its frames are.

    Parameters
    ----------
    frames
        Their number.
    frame_time
        Between the starts of two frames [s]; None where not known.
    field
        (y, x) extent of a frame, in the unit of the particle table.
    """

    frames: int
    frame_time: float | None = None
    field: tuple[float, float] = (np.inf, np.inf)

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise InputError(f"a movie has at least 1 frame, got {self.frames}")
