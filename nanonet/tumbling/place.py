"""Where the particle is in a frame: the spot that stands out most, at each of a few sizes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.fft import next_fast_len

from nanonet.records import Column, Micrograph, Table

_SIZES = 8
_SMALLEST, _LARGEST = 1 / 24, 1 / 4
"""Standard deviations of the spots over the shorter side of the frame."""
_MAD = 0.6745
"""Median size of a normal deviate."""
_WIDER = 1.6
"""Of the Gaussian that is taken off, over the spot's."""

PLACE_COLUMNS = (
    Column(name="frame", unit="", meaning="index of the frame, from 0"),
    Column(name="size_px", unit="px", meaning="standard deviation of the spot that was looked for"),
    Column(name="bright_y_px", unit="px", meaning="place of the brightest such spot, down"),
    Column(name="bright_x_px", unit="px", meaning="to the right"),
    Column(
        name="bright",
        unit="",
        meaning="its height in deviations of white noise, less what the highest of noise alone has",
    ),
    Column(name="dark_y_px", unit="px", meaning="place of the darkest such spot, down"),
    Column(name="dark_x_px", unit="px", meaning="to the right"),
    Column(name="dark", unit="", meaning="its depth in the same"),
    Column(name="level", unit="", meaning="median intensity of the frame"),
)


class PlaceTable(Table):
    """Places of the brightest and the darkest spots of each frame, a row for each size."""

    stem = "places"


def places(micrograph: Micrograph) -> PlaceTable:
    """Return the brightest and the darkest spots of a frame, at sizes from 1/24 to 1/4 of its shorter side.

    Spots are those of a difference of Gaussians, which a flat or slowly varying background is none of.
    """
    image = np.asarray(micrograph.image, dtype=np.float64)
    level = float(np.median(image))
    noise = float(np.median(np.abs(np.diff(image, axis=1)))) / (_MAD * np.sqrt(2))
    # Beyond the frame is its level: what is at one edge must not be taken for the surroundings of the other.
    padded = tuple(next_fast_len(side + min(image.shape) // 2, real=True) for side in image.shape)
    values = np.fft.rfft2(image - level, s=padded)
    rows = []
    for size in _sizes(min(image.shape)):
        kernel, norm = _filter(padded, size)
        filtered = np.fft.irfft2(values * kernel, s=padded)[: image.shape[0], : image.shape[1]]
        spread = noise * norm or 1.0
        chance = np.sqrt(2 * np.log(max(image.size / (2 * np.pi * size**2), 2.0)))
        found: list[float] = []
        for sign in (1.0, -1.0):
            y, x = np.unravel_index(np.argmax(sign * filtered), image.shape)
            found += [
                *_between(sign * filtered, int(y), int(x)),
                float(sign * filtered[y, x] / spread - chance),
            ]
        rows.append((micrograph.frame, size, *found, level))
    data = pd.DataFrame(rows, columns=[column.name for column in PLACE_COLUMNS])
    return PlaceTable(data=data, columns=PLACE_COLUMNS)


def _sizes(side: int) -> list[float]:
    return [round(float(size), 3) for size in side * np.geomspace(_SMALLEST, _LARGEST, _SIZES)]


@lru_cache(maxsize=2 * _SIZES)
def _filter(shape: tuple[int, ...], size: float) -> tuple[Float[np.ndarray, "y h"], float]:
    """Return the transform of a difference of Gaussians, and the square root of its sum of squares."""
    square = np.fft.fftfreq(shape[0])[:, None] ** 2 + np.fft.rfftfreq(shape[1]) ** 2
    narrow, wide = (np.exp(-2 * np.pi**2 * (size * factor) ** 2 * square) for factor in (1.0, _WIDER))
    kernel = np.asarray(narrow - wide)
    return kernel, float(np.linalg.norm(np.fft.irfft2(kernel, s=shape)))


def _between(image: Float[np.ndarray, "y x"], y: int, x: int) -> tuple[float, float]:
    """Return the place of a maximum between pixels, by parabolas."""
    place = []
    for index, line in ((y, image[:, x]), (x, image[y])):
        shift = 0.0
        if 0 < index < len(line) - 1:
            before, middle, after = line[index - 1 : index + 2]
            bend = before - 2 * middle + after
            shift = float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0
        place.append(index + shift)
    return place[0], place[1]
