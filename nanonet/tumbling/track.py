"""The way of one particle through its movie, from where each frame shows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize_scalar

from nanonet.records import InputError

_SEEN = 1.0
"""Deviations, beyond chance, that a spot has to stand out by in the mean of the frames."""
_NEIGHBOURS = 7
_AWAY = 3.0
"""Sizes of the spot that a place may lie away from those of the frames around it."""

_MOTION = (1e-6, 1e4)
"""Range of the variance of the motion between frames over that of a place's error."""
_TRIED = 21


@dataclass(frozen=True, kw_only=True)
class Track:
    """Where one particle is.

    Parameters
    ----------
    frames
        (t,) those that show it.
    places
        (t, 2), (y, x) [pixel].
    sign
        1 where it is brighter than its surroundings, -1 where darker.
    size
        Standard deviation of the Gaussian spot that fits it best [pixel].
    lost
        Frames of the movie that were left out, since they show it elsewhere or not at all.
    """

    frames: Int[np.ndarray, " t"]
    places: Float[np.ndarray, "t 2"]
    sign: int
    size: float
    lost: int


def track_of(places: pd.DataFrame) -> Track:
    """Return the way of the particle that stands out most in all frames together.

    Parameters
    ----------
    places
        Columns as in `PlaceTable`.

    Raises
    ------
    InputError
        If none stands out.
    """
    sizes = np.unique(places["size_px"].to_numpy(dtype=float))
    own = [places[places["size_px"] == one][["bright", "dark"]].mean().to_numpy() for one in sizes]
    number, kind = np.unravel_index(np.argmax(own), (len(own), 2))
    size, name = float(sizes[number]), ("bright", "dark")[int(kind)]
    if own[int(number)][int(kind)] < _SEEN:
        raise InputError("no particle stands out of the background: its mean contrast is that of noise")
    rows = places[places["size_px"] == size].sort_values("frame")
    seen = rows[[f"{name}_y_px", f"{name}_x_px"]].to_numpy(dtype=float)
    middle = pd.DataFrame(seen).rolling(2 * _NEIGHBOURS + 1, center=True, min_periods=1).median().to_numpy()
    kept = np.linalg.norm(seen - middle, axis=1) < _AWAY * size
    smooth = np.stack([smoothed(line, kept) for line in seen.T], axis=1)
    return Track(
        frames=rows["frame"].to_numpy(dtype=int)[kept],
        places=smooth[kept],
        sign=1 if name == "bright" else -1,
        size=size,
        lost=int((~kept).sum()),
    )


def smoothed(values: Float[np.ndarray, " t"], kept: Bool[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
    """Return the likeliest way of a thing that diffuses and is seen with errors.

    What it moves by between frames, over the errors, is what makes the places likeliest, each being foretold
    from those before it (Kalman's filter; Harvey, Forecasting, Structural Time Series Models and the Kalman
    Filter, 3.4). The rest is the smoother of Rauch, Tung and Striebel (AIAA J. 3, 1445 (1965)).
    """
    known = np.flatnonzero(kept)
    if len(known) < 3:
        return values.copy()
    tried = np.geomspace(*_MOTION, _TRIED)
    likeliest = int(np.argmax([_filtered(values, kept, ratio)[2] for ratio in tried]))
    best = minimize_scalar(
        lambda log: -_filtered(values, kept, float(np.exp(log)))[2],
        bounds=np.log(tried[[max(likeliest - 1, 0), min(likeliest + 1, _TRIED - 1)]]),
        method="bounded",
        options={"xatol": 0.05},
    )
    ratio = float(np.exp(best.x))
    places, variances, _ = _filtered(values, kept, ratio)
    for index in range(len(places) - 2, -1, -1):
        back = variances[index] / (variances[index] + ratio)
        places[index] += back * (places[index + 1] - places[index])
    return places


def _filtered(
    values: Float[np.ndarray, " t"], kept: Bool[np.ndarray, " t"], ratio: float
) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, " t"], float]:
    """Return the place after each frame, its variance over that of an error, and the logarithmic likelihood.

    Parameters
    ----------
    ratio
        Variance of the motion between frames over that of an error.
    """
    first = int(np.argmax(kept))
    place, variance = float(values[first]), 1.0
    places, variances = np.full(len(values), place), np.ones(len(values))
    squares = logs = 0.0
    for index in range(first + 1, len(values)):
        variance += ratio
        if kept[index]:
            off, expected = float(values[index]) - place, variance + 1.0
            squares += off * off / expected
            logs += np.log(expected)
            gain = variance / expected
            place += gain * off
            variance *= 1.0 - gain
        places[index], variances[index] = place, variance
    count = int(kept.sum()) - 1
    return places, variances, -0.5 * (count * np.log(max(squares, 1e-12) / count) + logs)
