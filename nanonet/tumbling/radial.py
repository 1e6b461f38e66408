"""How dense the particle is at each distance from its centre: read from the mean of all frames.

A particle that is seen from everywhere leaves, on average, the projection of its mean over all rotations. So
the radius, how softly the particle ends and how much one atom weighs are known before any orientation is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from nanonet.records import InputError

_STEP = 0.1
"""Of integrals [Å]."""
_RING = 0.7
"""Width of the rings that a picture is averaged over [pixel]."""


@dataclass(frozen=True, kw_only=True)
class RadialDensity:
    """Density n / 2 · (1 - tanh((r - R) / w)) at distance r from the centre.

    Parameters
    ----------
    density
        n, in the middle [intensity / Å of depth].
    radius
        R, where it has fallen to half [Å].
    width
        w [Å].
    misfit
        Root mean square of what the fit leaves of the profile, over the profile's value in the middle.
    """

    density: float
    radius: float
    width: float
    misfit: float

    def share(self, distance: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Return the density at distances [Å] over that in the middle: the share of sites that is filled."""
        return np.asarray(_ending(distance, self.radius, self.width))

    @property
    def reach(self) -> float:
        """Distance [Å] beyond which there is next to nothing."""
        return self.radius + 2.0 * self.width


def radial_density(picture: Float[np.ndarray, "s s"], pixel_size: float) -> RadialDensity:
    """Return the density whose projection fits a mean picture best.

    Parameters
    ----------
    pixel_size
        Å.

    Raises
    ------
    InputError
        If there is no bright particle in the middle.
    """
    side = len(picture)
    ticks = (np.arange(side) - side // 2) * pixel_size
    distance = np.hypot(ticks[:, None], ticks)
    edges = np.arange(0.0, ticks.max(), _RING * pixel_size)
    ring = np.digitize(distance.ravel(), edges) - 1
    pixels = np.bincount(ring, minlength=len(edges))[: len(edges) - 1]
    total = np.bincount(ring, picture.ravel(), minlength=len(edges))[: len(edges) - 1]
    there = pixels > 0
    at = (edges[:-1] + 0.5 * _RING * pixel_size)[there]
    profile = total[there] / pixels[there]
    weight = np.sqrt(pixels[there])
    start = min(
        (_begun(at, profile, weight, half) for half in at[at > 2 * pixel_size]), key=lambda one: one[0]
    )[1]
    if not start[0] > 0:
        raise InputError("the mean of the frames shows no bright particle in the middle")
    lowest, highest = [0.0, 2 * pixel_size, 0.2, -np.inf], [np.inf, ticks.max(), start[1] + 1.0, np.inf]
    found = least_squares(
        lambda p: (_projected(at, *p) - profile) * weight,
        start,
        bounds=(lowest, highest),
        x_scale=np.abs(start) + 1e-9,
    )
    left = (_projected(at, *found.x) - profile) * weight
    misfit = float(
        np.sqrt((left**2).sum() / (weight**2).sum()) / (_projected(at[:1], *found.x)[0] - found.x[3])
    )
    density, radius, width, _ = found.x
    return RadialDensity(density=float(density), radius=float(radius), width=float(width), misfit=misfit)


def _begun(
    at: Float[np.ndarray, " n"],
    profile: Float[np.ndarray, " n"],
    weight: Float[np.ndarray, " n"],
    half: float,
) -> tuple[float, Float[np.ndarray, "4"]]:
    """Return what of a profile a radius [Å] does not explain, squared and summed, and all its parameters."""
    columns = np.stack([_projected(at, 1.0, half, 1.0, 0.0), np.ones_like(at)], axis=1) * weight[:, None]
    (density, floor), *_ = np.linalg.lstsq(columns, profile * weight, rcond=None)
    left = profile * weight - columns @ (density, floor)
    return float(left @ left) if density > 0 else np.inf, np.array([density, half, 1.0, floor])


def _projected(
    distance: Float[np.ndarray, " n"], density: float, radius: float, width: float, floor: float
) -> Float[np.ndarray, " n"]:
    depth = np.arange(_STEP / 2, radius + 8 * width, _STEP)
    r = np.sqrt(distance[:, None] ** 2 + depth**2)
    return np.asarray(2 * _STEP * density * _ending(r, radius, width).sum(1) + floor)


def _ending(r: Float[np.ndarray, "*n"], radius: float, width: float) -> Float[np.ndarray, "*n"]:
    return np.asarray(0.5 * (1.0 - np.tanh((r - radius) / width)))
