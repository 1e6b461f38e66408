"""The part of the frames that is worth showing: that with the sites, where they fill but a part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanonet.records import Micrograph
from nanonet.report.history import History
from nanonet.report.rim import spacing

MARGIN = 3.0
"""Spacings of sites that are left around them."""
WORTHWHILE = 0.7
"""Share of the frame's area above which it is shown whole."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A rectangle of pixels: its first one (y, x) and its size (height, width), None for all that follow."""

    corner: tuple[int, int]
    size: tuple[int, int] | None

    def cut(self, image: np.ndarray) -> np.ndarray:
        """Return the part of ``image`` (y, x)."""
        if self.size is None:
            return image
        (y, x), (height, width) = self.corner, self.size
        return image[y : y + height, x : x + width]


WHOLE = Window(corner=(0, 0), size=None)


def window_of(history: History, micrograph: Micrograph) -> Window:
    """Return the part of a frame that holds all sites in all frames, the same for all frames of a movie."""
    scale = 1.0 if history.unit == "px" else micrograph.pixel_size or 1.0
    margin = MARGIN * spacing(history.positions)
    low = (history.positions.min(0) + history.drift.min(0) - margin) / scale
    high = (history.positions.max(0) + history.drift.max(0) + margin) / scale
    shape = np.array(micrograph.image.shape)
    begin = np.clip(np.floor(low), 0, shape - 1).astype(int)
    size = np.clip(np.ceil(high), begin + 1, shape).astype(int) - begin
    if np.prod(size) > WORTHWHILE * np.prod(shape):
        return WHOLE
    return Window(corner=(int(begin[0]), int(begin[1])), size=(int(size[0]), int(size[1])))
