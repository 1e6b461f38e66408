"""Whether two maps show the same body: at one size, in one orientation and hand, they agree as halves do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import affine_transform

from nanonet.reconstruct.align import align, turned
from nanonet.reconstruct.mask import distances
from nanonet.reconstruct.reconstruction import Reconstruction
from nanonet.reconstruct.shell_correlation import shell_correlation
from nanonet.records import InputError

_HALF = 0.5
_SHELLS = (3, 12)
"""Fewest and most that are compared."""
_NEARLY = 0.95
"""Share of the halves' agreement that maps of the same body reach."""
_DENSITY = 0.1
"""Relative difference of density that leaves the matter the same."""


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How like two maps are.

    Parameters
    ----------
    agreement
        Mean Fourier shell correlation of the maps at one size, up to where the half maps of both agree.
    halves
        The same of the worse one's half maps.
    size, density
        The other map's radius of gyration, and its mass over the cube of that, over the one's.
    """

    agreement: float
    halves: float
    size: float
    density: float

    @property
    def same_shape(self) -> bool:
        """Whether the maps agree as well as half maps do."""
        return self.agreement >= _NEARLY * self.halves

    @property
    def same_matter(self) -> bool:
        """Whether they are as dense."""
        return abs(self.density - 1.0) < _DENSITY


def likeness(one: Reconstruction, other: Reconstruction) -> Likeness:
    """Return how like two maps are, in the frame and hand and at the size in which they agree best.

    Raises
    ------
    InputError
        If they differ in the number or the size of their voxels.
    """
    a, b = one.volume, other.volume
    if a.density.shape != b.density.shape or not np.isclose(a.voxel_size, b.voxel_size):
        raise InputError(
            f"maps to compare must have the same voxels, got {a.density.shape} of {a.voxel_size:g} Å and "
            f"{b.density.shape} of {b.voxel_size:g} Å"
        )
    first, second = _gyration(a.density), _gyration(b.density)
    field = len(a.density) * a.voxel_size
    highest = int(np.clip(field * min(_agreed(one), _agreed(other)), *_SHELLS))
    wanted = torch.as_tensor(np.asarray(a.density, dtype=np.float32))
    scaled = torch.as_tensor(_resized(b.density, second / first))
    group = one.point_group if one.point_group == other.point_group else "C1"
    frame = align(wanted, scaled, group, highest=highest)
    curve = shell_correlation(wanted.numpy(), turned(scaled, frame).numpy(), a.voxel_size)
    halves = min(_mean(each, highest / field) for each in (one, other))
    return Likeness(
        agreement=float(curve.correlation[:highest].mean()),
        halves=halves,
        size=second / first,
        density=float(b.density.sum() / second**3 / (a.density.sum() / first**3)),
    )


def _gyration(density: Float[np.ndarray, "n n n"]) -> float:
    return float(np.sqrt((density * distances(len(density)) ** 2).sum() / density.sum()))


def _agreed(found: Reconstruction) -> float:
    """Return the last frequency [1/Å] before half maps agree by less than a half; 0 where none is."""
    curve = found.agreement.fsc
    agreed = np.cumprod(curve.correlation >= _HALF) * curve.frequency
    return float(agreed.max())


def _mean(found: Reconstruction, highest: float) -> float:
    """Return the mean agreement of half maps up to a frequency [1/Å]."""
    curve = found.agreement.fsc
    near = curve.frequency <= max(highest, curve.frequency[0]) + 1e-9
    return float(curve.correlation[near].mean())


def _resized(density: Float[np.ndarray, "n n n"], size: float) -> Float[np.ndarray, "n n n"]:
    """Return a map made smaller by a factor about its centre."""
    centre = np.full(3, len(density) // 2)
    matrix = np.full(3, size)
    return np.asarray(
        affine_transform(np.asarray(density, dtype=np.float32), matrix, centre - size * centre, order=1)
    )
