"""The mean of a frame and its neighbours: what the eye wants at low dose."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nanonet.records import Micrograph
from nanonet.report.history import History

REACH = 3
"""Frames before and after that are averaged with a frame."""


def neighbour_mean(
    micrograph: Micrograph, history: History, reach: int = REACH
) -> Float[np.ndarray, "y x"] | None:
    """Return the mean over the frames up to ``reach`` before and after, laid onto this one; None without any.

    Frames are moved by whole pixels along the drift of the sites: an interpolation would blur the noise
    differently from frame to frame, and half a pixel matters little to the eye. Pixels that a frame does not
    cover are averaged over the others.
    """
    movie = micrograph.movie
    if movie is None:
        return None
    total = np.zeros(micrograph.image.shape)
    number = np.zeros(micrograph.image.shape)
    here = _drift(history, micrograph.frame)
    scale = 1.0 if history.unit == "px" else micrograph.pixel_size or 1.0
    for frame in range(max(0, micrograph.frame - reach), min(len(movie), micrograph.frame + reach + 1)):
        image = micrograph.image if frame == micrograph.frame else movie[frame].image
        step = np.rint((_drift(history, frame) - here) / scale).astype(int)
        to, of = zip(
            *(_overlap(int(s), side) for s, side in zip(step, image.shape, strict=True)), strict=True
        )
        finite = np.isfinite(image[of])
        total[to] += np.where(finite, image[of], 0)
        number[to] += finite
    return np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)


def _drift(history: History, frame: int) -> Float[np.ndarray, " 2"]:
    return np.asarray(history.drift[int(np.clip(frame - history.frames[0], 0, len(history.frames) - 1))])


def _overlap(step: int, side: int) -> tuple[slice, slice]:
    """Return where the pixels of a frame that is moved on by ``step`` lie in this one, and in that frame."""
    step = int(np.clip(step, -side, side))
    return slice(max(0, -step), side - max(0, step)), slice(max(0, step), side - max(0, -step))
