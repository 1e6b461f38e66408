"""What separates touching particles is given, and what it returns: a variant is a file and a YAML.

A variant of the group ``separate`` is a function of a `Foreground` that returns what it was `Separated` into,
with its own settings as keywords. It labels nothing outside the mask but holes that it says it fills.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import InputError

ANGSTROMS_PER_NM = 10.0


@dataclass(frozen=True, kw_only=True)
class Foreground:
    """The pixels of a frame that are particle, and what a separation may go by.

    Parameters
    ----------
    mask
        (y, x) True inside particles.
    pixel_size
        Å per pixel of the frame, None where lengths are measured in pixels.
    block
        Pixels of the frame, a side, that one pixel of the mask stands for.
    smallest
        Diameter [px of the mask] of the smallest particle that the segmentation tells.
    height
        (y, x) what a network predicts to tell particles apart: 1 in the middle of each, falling to 0 at its
        outline and where two touch; None where there is none.
    """

    mask: Bool[np.ndarray, "y x"]
    pixel_size: float | None = None
    block: float = 1
    smallest: float = 0.0
    height: Float[np.ndarray, "y x"] | None = None

    def length(self, name: str, given: float | None, *, nm: float, px: float) -> float:
        """Return a setting in pixels of the mask.

        Parameters
        ----------
        name
            Of the setting, for the message.
        given
            In nm, or in pixels of the frame where it has no pixel size; None takes the default.
        nm, px
            Defaults with and without a pixel size.

        Raises
        ------
        InputError
            If it is negative or not finite.
        """
        default, unit = (px, "px") if self.pixel_size is None else (nm, "nm")
        value = default if given is None else given
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"{name} must be 0 {unit} or more, got {value} {unit}")
        pixel = 1.0 if self.pixel_size is None else self.pixel_size / ANGSTROMS_PER_NM
        return value / (pixel * self.block)


@dataclass(frozen=True, kw_only=True)
class Separated:
    """Instances of a foreground.

    Parameters
    ----------
    labels
        (y, x) 0 is background, particle i is i: 1..n without gaps, by their first pixels in rows.
    separated
        (n,) True where particle i + 1 was cut from a touching neighbour.
    flagged
        (n,) True where it breaks the rule that tells single particles, and was kept because it was asked for.
    """

    labels: Int[np.ndarray, "y x"]
    separated: Bool[np.ndarray, " n"]
    flagged: Bool[np.ndarray, " n"]


Separation = Callable[[Foreground], Separated]


def in_rows(parts: Int[np.ndarray, "y x"]) -> tuple[Int[np.ndarray, "y x"], Int[np.ndarray, " n"]]:
    """Return parts renumbered 1..n in the order of their first pixels in rows, and where these lie.

    Parameters
    ----------
    parts
        0 is background; numbers may have gaps.

    Returns
    -------
    labels, first
        ``first`` are indices into ``parts.ravel()``.
    """
    inside = np.flatnonzero(parts)
    old = parts.ravel()[inside]
    start = np.full(int(old.max(initial=0)) + 1, parts.size)
    start[old[::-1]] = inside[::-1]  # the last value written is the first pixel
    order = np.argsort(start, kind="stable")[: np.count_nonzero(start < parts.size)]
    rank = np.zeros(len(start), dtype=np.int32)
    rank[order] = np.arange(1, len(order) + 1)
    return rank[parts], start[order]
