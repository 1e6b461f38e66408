"""Fourier shell correlation: how far two maps agree, by resolution, and where in space."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter
from torch import Tensor

from nanonet.records import InputError, ShellCorrelation

_LEAST = 1e-20


def shells(n: int) -> Int[Tensor, "kz ky kx"]:
    """Return the shell of each frequency of `torch.fft.rfftn` of n³ voxels, rounded."""
    whole = torch.fft.fftfreq(n, 1 / n)
    half = torch.fft.rfftfreq(n, 1 / n)
    radius: Tensor = (whole[:, None, None] ** 2 + whole[:, None] ** 2 + half**2).sqrt()
    return radius.round().long()


def shell_correlation(
    one: Float[np.ndarray, "n n n"], other: Float[np.ndarray, "n n n"], voxel_size: float
) -> ShellCorrelation:
    """Return the correlation of two maps on shells of frequency (van Heel, Ultramicroscopy 21, 95 (1987)).

    Parameters
    ----------
    voxel_size
        Å.

    Returns
    -------
    ShellCorrelation
        From one cycle a side of the maps to the highest frequency of all directions.

    Raises
    ------
    InputError
        If the maps differ in shape.
    """
    if one.shape != other.shape:
        raise InputError(f"maps to compare must have the same shape, got {one.shape} and {other.shape}")
    n = one.shape[0]
    a, b = (torch.fft.rfftn(torch.as_tensor(np.asarray(each, dtype=np.float32))) for each in (one, other))
    shell = shells(n).reshape(-1)
    # Of all but the first and the last plane, rfftn leaves the other half out.
    twice = torch.full((n // 2 + 1,), 2.0)
    twice[0] = 1.0
    twice[-1] = 1.0 if n % 2 == 0 else 2.0
    weight = twice.expand(n, n, -1).reshape(-1)

    def summed(values: Tensor) -> Tensor:
        return torch.zeros(int(shell.max()) + 1).index_add_(0, shell, values.reshape(-1) * weight)

    across = summed((a * b.conj()).real)
    own = (summed(a.abs() ** 2) * summed(b.abs() ** 2)).clamp_min(_LEAST).sqrt()
    index = np.arange(1, n // 2 + 1)
    return ShellCorrelation(
        frequency=index / (n * voxel_size), correlation=(across / own).double().numpy()[index]
    )


def resolution(curve: ShellCorrelation, threshold: float) -> float:
    """Return 1 / frequency [Å] where a curve first falls below a threshold, on a line between shells.

    The highest frequency's where it never does; infinity where it starts below.
    """
    below = np.flatnonzero(curve.correlation < threshold)
    if not len(below):
        return float(1.0 / curve.frequency[-1])
    last = int(below[0])
    if last == 0:
        return float("inf")
    high, low = curve.correlation[last - 1], curve.correlation[last]
    share = (high - threshold) / (high - low)
    frequency = curve.frequency[last - 1] + share * (curve.frequency[last] - curve.frequency[last - 1])
    return float(1.0 / frequency)


def never_below(curve: ShellCorrelation, threshold: float) -> bool:
    """Return whether a curve stays above a threshold: its `resolution` is then that of the pixels."""
    return bool((curve.correlation >= threshold).all())


def local_agreement(
    one: Float[np.ndarray, "n n n"], other: Float[np.ndarray, "n n n"], width: float
) -> Float[np.ndarray, "n n n"]:
    """Return the correlation coefficient of two maps around each voxel, -1 to 1; 0 where both are even.

    Parameters
    ----------
    width
        Standard deviation of the Gaussian neighbourhood [voxel].
    """
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(gaussian_filter(values, width, mode="constant"))

    mean_a, mean_b = mean(a), mean(b)
    across = mean(a * b) - mean_a * mean_b
    spread = np.maximum(mean(a * a) - mean_a**2, 0) * np.maximum(mean(b * b) - mean_b**2, 0)
    # What is below a millionth of the largest spread is rounding.
    known = spread > 1e-12 * spread.max() if spread.max() > 0 else np.zeros(spread.shape, dtype=bool)
    return np.where(known, across / np.sqrt(np.where(known, spread, 1.0)), 0.0)
