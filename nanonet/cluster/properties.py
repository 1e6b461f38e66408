"""What particles are told apart by: their sizes, shapes and intensities, normalised to unit variance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.records import InputError, ParticleImages

SIZES = (
    "area",
    "equivalent_diameter",
    "feret_min",
    "feret_max",
    "perimeter",
    "major_axis",
    "minor_axis",
)
SHAPES = ("circularity", "convexity", "solidity", "eccentricity")
INTENSITIES = ("intensity", "intensity_max", "intensity_mean", "intensity_std")
PROPERTIES = (*SIZES, *SHAPES, *INTENSITIES)
"""ParticleSpy's list; never where a particle lies, nor in which frame."""
DEFAULT = ("equivalent_diameter", "solidity", "circularity", *INTENSITIES)
"""Those that tell kinds apart although outlines are uncertain; all sizes together weigh as one property too
often, and hide it."""
_BRIGHTEST = 98.0
"""Percentile of a particle's pixels that stands for its highest: the highest itself is noise."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """What describes particles: ``values`` (n, f) of mean 0 and variance 1, and their ``names``."""

    values: Float[np.ndarray, "n f"]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)


def properties(rows: pd.DataFrame, cuts: ParticleImages, *, names: Sequence[str] = DEFAULT) -> Features:
    """Return chosen properties of particles.

    Sizes and intensities are taken as logarithms, so that a spread of 10 % is the same for small and large.
    Intensities are over the background, as in `ParticleImages`: their sum is, in HAADF, the particle's mass
    whichever way it lies.

    Parameters
    ----------
    rows
        Of particles.csv, lengths in nm or px, in the order of ``cuts``.
    names
        Of `PROPERTIES`.

    Raises
    ------
    InputError
        If a name is not known, or none is given.
    """
    unknown = [name for name in names if name not in PROPERTIES]
    if unknown or not names:
        raise InputError(
            f"features.names must be of {', '.join(PROPERTIES)}, got {', '.join(unknown) or 'none'}"
        )
    known = _measured(rows) | _intensities(cuts)
    return standardised(np.stack([known[name] for name in names], axis=1), names)


def standardised(values: Float[np.ndarray, "n f"], names: Sequence[str]) -> Features:
    """Return features of mean 0 and variance 1; one that is the same for all particles is 0."""
    spread = values.std(axis=0)
    centred = values - values.mean(axis=0)
    return Features(values=centred / np.where(spread > 1e-9, spread, 1.0), names=tuple(names))


def _measured(rows: pd.DataFrame) -> dict[str, Float[np.ndarray, " n"]]:
    unit = "nm" if "area_nm2" in rows else "px"
    columns = {name: f"{name}_{unit}{'2' if name == 'area' else ''}" for name in SIZES}
    sizes = {name: np.log(rows[column].to_numpy(dtype=float)) for name, column in columns.items()}
    return sizes | {name: rows[name].to_numpy(dtype=float) for name in SHAPES}


def _intensities(cuts: ParticleImages) -> dict[str, Float[np.ndarray, " n"]]:
    """Return logarithms of sum, maximum, mean and spread over the pixels well above the background."""
    found = np.array([_moments(image, noise) for image, noise in zip(cuts.images, cuts.noise, strict=True)])
    return dict(zip(INTENSITIES, np.log(np.maximum(found, 1e-12)).T, strict=True))


def _moments(image: Float[np.ndarray, "y x"], noise: float) -> tuple[float, float, float, float]:
    values = np.abs(image)
    inside = values[values > max(0.2 * np.percentile(values, 99.5), 2 * noise)]
    if len(inside) < 2:
        return 0.0, 0.0, 0.0, 0.0
    top = float(np.percentile(inside, _BRIGHTEST))
    return float(inside.sum()), top, float(inside.mean()), float(inside.std())
