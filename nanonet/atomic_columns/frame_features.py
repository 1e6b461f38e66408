"""What can be told of a frame without knowing the answer: its noise, its lattice, what was read of it.

All is measured in windows of the size of a training image, placed where the columns are, so that neither the
size of a frame nor the vacuum in it counts.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from nanonet.atomic_columns.column_features import certainty, geometry, motif
from nanonet.atomic_columns.image_features import image_features
from nanonet.atomic_columns.readout import Reading

NAMES = (
    "noise",
    "noise_colour",
    "noise_growth",
    "background",
    "fringes",
    "elongation",
    "visibility",
    "spacing",
    "order",
    "entropy",
    "presence",
    "deepest",
)
"""Of the features before the shape of the spectrum; see `frame_features`."""
FEWEST = 6
"""Columns that a window must hold to be judged."""
_WINDOWS = 9  # at most: more tell little more, and a large frame must not take long
_CELLS = 4  # of a side, that windows are placed by
_SURE = 0.5  # least probability of a column that counts


def frame_features(
    counts: Float[np.ndarray, "y x"], reading: Reading, *, pixel_size: float, side: int
) -> Float[np.ndarray, " feature"] | None:
    """Return the features of a frame, the median over its windows; None where it shows too few columns.

    A frame smaller than a window blurs what is told of its spectrum: it is not to be compared with others.

    `NAMES` says the order of the first:

    - ``noise``: log10 of the dose [e/Å²] whose shot noise is that of the image.
    - ``noise_colour``: log of the noise's power at frequency 0 over that at Nyquist's; 0 is white.
    - ``noise_growth``: how the variance of the noise grows with the intensity; 1 for counts, 0 for noise that
      is the same everywhere, negative where the contrast was inverted.
    - ``background``: power over the noise of what lies away from all columns, at 0.22 to 0.5 Å⁻¹. It is
      given as asinh, in units of the scatter that noise alone gives it: nearly linear for what is hidden in
      noise, logarithmic for what is far above it. So are ``fringes`` and the shape.
    - ``fringes``: power over the noise around the columns, averaged over rings of 0.21 to 0.72 Å⁻¹.
    - ``elongation``: of the mean picture of a column, 0 for a round one.
    - ``visibility``: log of the mean picture's power over that of its error.
    - ``spacing``: log of the distance [Å] between neighbouring columns.
    - ``order``: log of how often two vectors between columns are alike, over what random columns give.
    - ``entropy``: mean over the columns of the entropy of their depth, 1 where all depths are as probable.
    - ``presence``: mean log odds of there being a column.
    - ``deepest``: mean probability of the last class.

    After these comes the shape of the rotationally averaged power spectrum: how far each band of
    `shape_edges` lies above or below ``fringes``.

    Parameters
    ----------
    counts
        At the network's pixel size.
    reading
        As the network gives it, before any calibration, read with the defaults of `read_depth`.
    pixel_size
        Of the network [Å].
    side
        Of a window [px]: that of the training images.
    """
    sure = reading.where(reading.presence >= _SURE)
    found = [
        _features(counts[part], _inside(sure, part), pixel_size, side)
        for part in windows(sure.positions, counts.shape, side)
    ]
    if not found:
        return None
    stacked = np.array(found)
    known = np.isfinite(stacked).any(axis=0)
    middle = np.full(stacked.shape[1], np.nan)
    middle[known] = np.nanmedian(stacked[:, known], axis=0)
    return middle


def _features(
    counts: Float[np.ndarray, "y x"], reading: Reading, pixel_size: float, side: int
) -> Float[np.ndarray, " feature"]:
    """Return the features of one window."""
    mean = float(counts.mean())
    contrast = counts.astype(float) / (mean if mean > 0 else 1.0) - 1.0
    of_image = image_features(contrast, reading.positions, pixel_size, side)
    of_columns = (
        *motif(contrast, reading.positions, pixel_size),
        *geometry(reading.positions * pixel_size),
        *certainty(reading),
    )
    numbers = len(NAMES) - len(of_columns)
    return np.concatenate([of_image[:numbers], of_columns, of_image[numbers:]])


Window = tuple[slice, slice]


def windows(positions: Float[np.ndarray, "n 2"], shape: tuple[int, ...], side: int) -> list[Window]:
    """Return windows that hold columns, each centred on its own, those with the most of them first.

    Each is where there are the most columns that are in none before. Windows with less than a third as many
    as the first are left out.

    Parameters
    ----------
    positions
        (n, 2) columns [px].
    shape
        Of the frame [px].
    side
        Of a window [px]; of a smaller frame all is taken.
    """
    from scipy import ndimage

    step = side / _CELLS
    number = [max(1, int(np.ceil(n / step))) for n in shape]
    free = np.ones(len(positions), dtype=bool)
    chosen: list[Window] = []
    least = FEWEST
    while len(chosen) < _WINDOWS:
        cells = np.zeros(number)
        place = np.clip((positions[free] / step).astype(int), 0, np.array(number) - 1)
        np.add.at(cells, tuple(place.T), 1.0)
        held = ndimage.uniform_filter(cells, _CELLS, mode="constant", origin=-(_CELLS // 2))
        corner = np.array(np.unravel_index(int(np.argmax(held)), held.shape)) * step
        inside = free & _holds(positions, corner, side)
        if inside.sum() < least:
            break
        least = max(least, int(inside.sum()) // 3)
        start = np.clip(
            np.rint(positions[inside].mean(0) - side / 2), 0, np.maximum(np.array(shape) - side, 0)
        )
        y, x = start.astype(int)
        chosen.append((slice(y, y + side), slice(x, x + side)))
        free &= ~(inside | _holds(positions, start, side))
    return chosen


def _holds(
    positions: Float[np.ndarray, "n 2"], corner: Float[np.ndarray, " 2"], side: int
) -> Bool[np.ndarray, " n"]:
    return np.asarray(((positions >= corner) & (positions <= corner + side - 1)).all(axis=1))


def _inside(reading: Reading, part: Window) -> Reading:
    corner = np.array([float(axis.start) for axis in part])
    held = reading.where(_holds(reading.positions, corner, part[0].stop - part[0].start))
    return Reading(positions=held.positions - corner, presence=held.presence, posterior=held.posterior)
