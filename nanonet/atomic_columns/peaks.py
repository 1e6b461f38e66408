"""Significant maxima of a frame at the scale of its columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from nanonet.atomic_columns.noise import NoiseLevel, frequencies, spectrum, window

_ROUND = 0.2  # least ratio of the curvatures of a maximum: below, it sits on a lattice fringe
_LOWEST_BAND = (0.7, 1.0)  # of 1/sigma: noise is taken from here for all lower frequencies, where shapes rule


@dataclass(frozen=True, kw_only=True)
class BandPass:
    """A frame filtered with the Laplacian of a Gaussian, and what noise does in it.

    Parameters
    ----------
    significance
        (y, x) response over the noise's standard deviation there; positive where the frame is bright.
    skewness
        (y, x) of the noise of the response: that of counts is skewed where they are few.
    sigma
        Standard deviation of the Gaussian [px].
    roughness
        Variance of the noise's gradient over that of the noise [1/px²].
    """

    significance: Float[np.ndarray, "y x"]
    skewness: Float[np.ndarray, "y x"]
    sigma: float
    roughness: float

    @property
    def contrast(self) -> float:
        """From -1, where only dark columns stand out, to 1 for bright ones."""
        strong = self.significance[np.abs(self.significance) > 4.0].astype(float)
        total = float(np.sum(np.abs(strong) ** 3))
        return float(np.sum(strong**3)) / total if total else 0.0


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """Maxima (n, 2) as (y, x) in whole px, and the chance that noise shows none so high in the frame."""

    positions: Float[np.ndarray, "n 2"]
    confidence: Float[np.ndarray, " n"]

    def __getitem__(self, keep: Bool[np.ndarray, " n"]) -> Peaks:
        return replace(self, positions=self.positions[keep], confidence=self.confidence[keep])


def band_pass(image: Float[np.ndarray, "y x"], level: NoiseLevel, sigma: float) -> BandPass:
    """Filter a frame with the Laplacian of a Gaussian of standard deviation ``sigma`` [px]."""
    from scipy import ndimage

    response = -(sigma**2) * ndimage.gaussian_laplace(image, sigma)
    smooth = ndimage.gaussian_filter(image, 3 * sigma)
    variance = level.variance(smooth)
    relative = variance / np.mean(variance * window(image.shape) ** 2)
    deviation, roughness = _noise_of_response(image, sigma)
    significance = response / np.sqrt(relative)
    deviation = min(deviation, 1.4826 * float(np.median(np.abs(significance))))
    significance = significance / max(deviation, float(np.finfo(np.float32).tiny))
    counts = variance / max(level.gain, float(np.finfo(np.float32).tiny)) ** 2
    skewness = _kernel_skewness(sigma) / np.sqrt(np.maximum(counts, 1e-3))
    return BandPass(significance=significance, skewness=skewness, sigma=sigma, roughness=roughness)


def _noise_of_response(image: Float[np.ndarray, "y x"], sigma: float) -> tuple[float, float]:
    """Return the standard deviation of the filtered noise, and the roughness of that noise."""
    power = spectrum(image)
    k2 = (2 * np.pi * frequencies(image.shape)) ** 2
    band = np.sqrt(k2) * sigma
    inside = (band > _LOWEST_BAND[0]) & (band < _LOWEST_BAND[1])
    noise = np.where(band < _LOWEST_BAND[0], np.median(power.noise[inside]), power.noise)
    passed = noise * (band**2 * np.exp(-(band**2) / 2)) ** 2
    total = float(passed.mean())
    return float(np.sqrt(total)), 0.5 * float(np.mean(passed * k2)) / max(total, float(np.finfo(float).tiny))


def _kernel_skewness(sigma: float) -> float:
    """Return the skewness that the filter gives to noise of one count a pixel."""
    from scipy import ndimage

    delta = np.zeros((2 * int(6 * sigma) + 3,) * 2)
    delta[delta.shape[0] // 2, delta.shape[1] // 2] = 1.0
    kernel = -ndimage.gaussian_laplace(delta, sigma)
    return float(np.sum(kernel**3) / np.sum(kernel**2) ** 1.5)


def find_peaks(band: BandPass, *, sign: int, separation: float) -> Peaks:
    """Return the two-dimensional maxima of a filtered frame (minima for ``sign`` -1), ``separation`` px apart."""
    from scipy import ndimage

    z = sign * band.significance
    reach = int(np.ceil(separation))
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    highest = ndimage.maximum_filter(z, footprint=dy**2 + dx**2 <= separation**2, mode="nearest")
    where = np.argwhere((z == highest) & (z > 0))
    where = where[_is_round(z, where)]
    at = tuple(where.T)
    confidence = _confidence(_unskewed(z[at], sign * band.skewness[at]), band)
    return Peaks(positions=where.astype(float), confidence=confidence)


def _unskewed(z: Float[np.ndarray, " n"], skewness: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return the levels of a normal variable that are as rare as levels of a skewed one.

    Wilson and Hilferty's cube root for a gamma variable (Proc. Natl Acad. Sci. 17 (1931) 684).
    """
    skew = np.where(np.abs(skewness) < 1e-3, 1e-3, skewness)
    return np.asarray(6 / skew * (np.cbrt(np.maximum(skew * z / 2 + 1, 0.0)) - 1) + skew / 6)


def _is_round(z: Float[np.ndarray, "y x"], where: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Return which maxima curve down in all directions."""
    padded = np.pad(z, 2, mode="reflect")
    y, x = where[:, 0] + 2, where[:, 1] + 2
    centre = padded[y, x]
    yy = padded[y + 2, x] + padded[y - 2, x] - 2 * centre
    xx = padded[y, x + 2] + padded[y, x - 2] - 2 * centre
    yx = (padded[y + 2, x + 2] + padded[y - 2, x - 2] - padded[y + 2, x - 2] - padded[y - 2, x + 2]) / 4
    middle, spread = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    return np.asarray((middle + spread < 0) & (middle + spread <= _ROUND * (middle - spread)))


def _confidence(z: Float[np.ndarray, " n"], band: BandPass) -> Float[np.ndarray, " n"]:
    """Return exp(-N), N the number of maxima above z that Gaussian noise has in the frame on average."""
    high = np.maximum(z, 1.0)  # the formula is for high levels; at 1 its N is far above 1 already
    density = band.roughness * (2 * np.pi) ** -1.5 * high * np.exp(-(high**2) / 2)
    return np.asarray(np.exp(-band.significance.size * density))
