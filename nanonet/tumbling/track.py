"""The way of one particle through its movie, from where each frame shows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from nanonet.records import InputError

_SEEN = 1.0
"""Deviations, beyond chance, that a spot has to stand out by in the mean of the frames."""
_NEIGHBOURS = 7
_AWAY = 3.0
"""Sizes of the spot that a place may lie away from those of the frames around it."""


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
    """Return the likeliest way of a thing that diffuses and is seen with errors, as its steps tell them.

    A step between frames has the variance q of the motion and twice that of an error, r; two steps in a row
    share an error, whence their covariance -r (Berglund, Phys. Rev. E 82, 011917 (2010)). The rest is the
    smoother of Rauch, Tung and Striebel (AIAA J. 3, 1445 (1965)).
    """
    known = np.flatnonzero(kept)
    if len(known) < 3:
        return values.copy()
    line = np.interp(np.arange(len(values)), known, values[known])
    steps = np.diff(line[known])
    r = float(max(-np.mean(steps[1:] * steps[:-1]), 0.0))
    q = float(max(np.mean(steps**2) - 2 * r, 1e-6))
    place, variance = float(line[0]), r + 1e-9
    places, variances = np.empty(len(line)), np.empty(len(line))
    for index, value in enumerate(line):
        if index:
            variance += q
        gain = variance / (variance + r + 1e-12) if kept[index] else 0.0
        place += gain * (value - place)
        variance *= 1.0 - gain
        places[index], variances[index] = place, variance
    for index in range(len(line) - 2, -1, -1):
        back = variances[index] / (variances[index] + q)
        places[index] += back * (places[index + 1] - places[index])
    return places
