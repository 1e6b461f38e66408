"""The time axis of figures: seconds where the time between frames is known, else frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True)
class TimeAxis:
    """How frames stand along an axis; ``frame_time`` is the time between the starts of two frames [s]."""

    frame_time: float | None = None

    @property
    def title(self) -> str:
        """What the axis is called."""
        return "frame" if self.frame_time is None else "time (s)"

    @property
    def along(self) -> str:
        """How titles say what a quantity is shown against."""
        return "by frame" if self.frame_time is None else "over time"

    @property
    def hover(self) -> str:
        """How a plotly template writes the place along the axis."""
        return "frame %{x:.0f}" if self.frame_time is None else "%{x:.4~g} s"

    def at(self, frames: np.ndarray) -> Float[np.ndarray, " n"]:
        """Return where ``frames`` stand along the axis."""
        return np.asarray(frames, dtype=float) * (self.frame_time or 1.0)
