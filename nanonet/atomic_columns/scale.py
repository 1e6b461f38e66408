"""How wide the columns of a frame are, chosen from the frame itself, and frames binned to suit."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nanonet.atomic_columns.noise import Spectrum

_SPOT = 15.0  # times the noise: one sample in e^15 of pure noise is taken for a spot of the crystal
_SPACINGS = (0.7, 8.0)  # Å: what spacings of atomic columns are looked for
_LEAST_PIXELS = 2.5  # a spacing of fewer pixels is not resolved


def spacing_range(shape: tuple[int, ...], pixel_size: float | None) -> tuple[float, float]:
    """Return the shortest and the longest spacing of columns that is looked for [px]."""
    low, high = (_SPACINGS[0] / pixel_size, _SPACINGS[1] / pixel_size) if pixel_size else (0.0, np.inf)
    return max(low, _LEAST_PIXELS), min(high, min(shape) / 4)


def spots(spectrum: Spectrum, spacings: tuple[float, float]) -> Float[np.ndarray, "y x"]:
    """Return how far the power stands above the noise where it is a spot of the crystal, else 0."""
    ratio = spectrum.power / np.maximum(spectrum.noise, np.finfo(np.float32).tiny)
    inside = (spectrum.k > 1.0 / spacings[1]) & (spectrum.k < 1.0 / spacings[0])
    return np.where(inside & (ratio > _SPOT), ratio, 0.0)


def column_width(spectrum: Spectrum, spacings: tuple[float, float]) -> float | None:
    """Return the standard deviation of the filter that fits the columns best [px], or None without a crystal.

    The scale is the one where the normalised Laplacian of a Gaussian, s² k² exp(-s² k² / 2), responds most to
    the spots of the power spectrum (Lindeberg, Int. J. Comput. Vis. 30 (1998) 79); spots count by their
    amplitude over the noise.
    """
    strength = spots(spectrum, spacings)
    if np.count_nonzero(strength) < 4:  # two pairs of spots: a lattice, not fringes of a single plane
        return None
    where = strength > 0
    amplitude = np.sqrt(strength[where])
    k2 = (2 * np.pi * spectrum.k[where]) ** 2
    low, high = (np.sqrt(2) / (2 * np.pi) * spacing for spacing in spacings)
    widths = np.geomspace(max(low, 0.6), high, 40)
    response = [np.sum(amplitude * (s * s * k2) * np.exp(-s * s * k2 / 2)) for s in widths]
    return float(widths[int(np.argmax(response))])


def binned(image: Float[np.ndarray, "y x"], factor: int) -> Float[np.ndarray, "v u"]:
    """Return the means of blocks of ``factor`` squared pixels; what is left over at the far edges is cut."""
    height, width = (n // factor for n in image.shape)
    if factor == 1:
        return image.astype(np.float32)
    # Rows first: whole lines are added up, which is several times as fast as both axes at once.
    lines = image[: height * factor, : width * factor].reshape(height, factor, width * factor).sum(1)
    return np.asarray(lines.reshape(height, width, factor).sum(2) / factor**2, dtype=np.float32)
