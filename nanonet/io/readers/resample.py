"""Frames of non-square pixels onto square ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError

SAME_WITHIN = 1e-3
_MOST_PIXELS = 10**8


@dataclass(frozen=True, kw_only=True)
class SquareGrid:
    """A grid of square pixels on frames (y, x) whose pixels are ``step_y`` by ``step_x`` square pixels.

    The centre of the first pixel stays where it is, so that positions keep their meaning, and the grid ends
    at the last pixel's centre: nothing is extrapolated.
    """

    step_y: float
    step_x: float
    shape: tuple[int, int]

    def resample(self, image: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "v u"]:
        """Interpolate linearly; the finer axis keeps its samples, so no anti-aliasing is needed."""
        from scipy.ndimage import affine_transform

        scale = np.array([1 / self.step_y, 1 / self.step_x])
        resampled: np.ndarray = affine_transform(
            image, scale, output_shape=self.shape, order=1, mode="nearest", output=np.float32
        )
        return resampled


def square_grid(name: str, shape: tuple[int, int], pixel: tuple[float, float]) -> SquareGrid | None:
    """Return the grid of square pixels of the smaller size, None where the pixels are square within 0.1 %.

    Parameters
    ----------
    shape
        Of the frames as stored (y, x).
    pixel
        Å along y and x.

    Raises
    ------
    InputError
        If the square pixels would be so many that the calibration cannot be meant.
    """
    smallest = min(pixel)
    if max(pixel) <= smallest * (1 + SAME_WITHIN):
        return None
    steps = (pixel[0] / smallest, pixel[1] / smallest)
    rows, columns = (int(np.floor((n - 1) * step + 1e-6)) + 1 for n, step in zip(shape, steps, strict=True))
    if rows * columns > _MOST_PIXELS:
        raise InputError(
            f"{name} has pixels of {pixel[0]:g} x {pixel[1]:g} Å, which no image has: "
            "give read.pixel_size=0.2 (Å)"
        )
    return SquareGrid(step_y=steps[0], step_x=steps[1], shape=(rows, columns))
