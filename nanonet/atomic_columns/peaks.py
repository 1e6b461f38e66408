"""Significant maxima of a frame at the scale of its columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from nanonet.atomic_columns.noise import NoiseLevel, frequencies, spectrum, window

_ROUND = 0.2  # least ratio of the curvatures of a maximum: below, it sits on a lattice fringe
_FEW = 8  # certain columns that a neighbourhood is measured from
_BESIDE = 1.5  # of their spacing
_ENOUGH = 0.1  # of the frame, for a median to speak for the noise
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
    """Maxima of a filtered frame.

    Parameters
    ----------
    positions
        (n, 2) as (y, x) [px].
    height
        (n,) over the noise's standard deviation there.
    density
        (n,) how many maxima of that height and more noise has in a px².
    confidence
        (n,) chance that noise shows none so high.
    """

    positions: Float[np.ndarray, "n 2"]
    height: Float[np.ndarray, " n"]
    density: Float[np.ndarray, " n"]
    confidence: Float[np.ndarray, " n"]

    def __getitem__(self, keep: Bool[np.ndarray, " n"]) -> Peaks:
        return Peaks(**{name: values[keep] for name, values in vars(self).items()})

    def __len__(self) -> int:
        return len(self.positions)


def band_pass(image: Float[np.ndarray, "y x"], level: NoiseLevel, sigma: float) -> BandPass:
    """Filter a frame with the Laplacian of a Gaussian of standard deviation ``sigma`` [px]."""
    from scipy import ndimage

    response = -(sigma**2) * ndimage.gaussian_laplace(image, sigma)
    smooth = ndimage.gaussian_filter(image, 3 * sigma)
    variance = level.variance(smooth)
    relative = variance / np.mean(variance * window(image.shape) ** 2)
    deviation, roughness = _noise_of_response(image, sigma)
    significance = response / np.sqrt(relative)
    noisy = np.abs(significance[variance > level.least])  # elsewhere the variance is a floor, not the noise's
    if noisy.size > _ENOUGH * significance.size:
        deviation = min(deviation, 1.4826 * float(np.median(noisy)))
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
    """Return the round maxima of a filtered frame (minima for ``sign`` -1), ``separation`` px apart."""
    from scipy import ndimage

    z = sign * band.significance
    reach = int(np.ceil(separation))
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    highest = ndimage.maximum_filter(z, footprint=dy**2 + dx**2 <= separation**2, mode="nearest")
    where = np.argwhere((z == highest) & (z > 0))
    where = where[_is_round(z, where)]
    at = tuple(where.T)
    density = _density(_unskewed(z[at], sign * band.skewness[at]), band.roughness)
    return Peaks(
        positions=_tops(z, where),
        height=z[at].astype(float),
        density=density,
        confidence=np.exp(-z.size * density),
    )


def _tops(z: Float[np.ndarray, "y x"], where: np.ndarray) -> Float[np.ndarray, "n 2"]:
    """Return maxima to a part of a pixel: the tops of parabolas along y and x."""
    padded = np.pad(z.astype(float), 1, mode="reflect")
    y, x = where[:, 0] + 1, where[:, 1] + 1
    tops = where.astype(float)
    for axis, (dy, dx) in enumerate(((1, 0), (0, 1))):
        below, here, above = padded[y - dy, x - dx], padded[y, x], padded[y + dy, x + dx]
        bend = np.minimum(below - 2 * here + above, -1e-12)
        tops[:, axis] += np.clip(0.5 * (below - above) / bend, -0.5, 0.5)
    return tops


def trust_neighbours(peaks: Peaks, min_confidence: float) -> Peaks:
    """Return the peaks with the confidence of those beside certain ones raised.

    In the frame at large a peak competes with all its noise, beside a column only with the noise of the
    places where the next column can be: a disc of one and a half spacings.
    """
    from scipy.spatial import cKDTree

    certain = peaks.positions[peaks.confidence >= min_confidence]
    if len(certain) < _FEW:
        return peaks
    tree = cKDTree(certain)
    reach = _BESIDE * float(np.median(tree.query(certain, k=2)[0][:, 1]))
    beside = tree.query(peaks.positions)[0] < reach
    raised = np.maximum(peaks.confidence, np.exp(-np.pi * reach**2 * peaks.density))
    return replace(peaks, confidence=np.where(beside, raised, peaks.confidence))


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


def _density(z: Float[np.ndarray, " n"], roughness: float) -> Float[np.ndarray, " n"]:
    """Return how many maxima above z Gaussian noise has in a px² (Adler, 1981, section 6.2)."""
    high = np.maximum(
        z, 1.0
    )  # the formula is for high levels; at 1 noise has more maxima than a frame has columns
    return np.asarray(roughness * (2 * np.pi) ** -1.5 * high * np.exp(-(high**2) / 2))
