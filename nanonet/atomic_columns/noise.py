"""How strong the noise of one frame is: its spectrum, and how it grows with the intensity.

A crystal puts its power into few sharp spots, so that a low quantile around each ring of the power spectrum
is that of the noise (and of amorphous material, which counts as noise here). The periodogram of noise is
exponentially distributed, which turns the quantile into a mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_QUANTILE = 0.25
_QUANTILE_OF_UNIT_EXPONENTIAL = -np.log(1.0 - _QUANTILE)
_LEVELS = 24  # intensity classes that the noise level is measured in
_LOWEST_VARIANCE = 0.25  # of the frame's mean: single counts in empty vacuum are no peaks


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """The power spectrum of a frame under a Hann window; white noise of variance v has the power v.

    Parameters
    ----------
    power
        (y, x) power in the layout of `numpy.fft.fft2`.
    noise
        (y, x) mean power of the noise at the same frequencies.
    k
        (y, x) spatial frequency [cycles/px].
    """

    power: Float[np.ndarray, "y x"]
    noise: Float[np.ndarray, "y x"]
    k: Float[np.ndarray, "y x"]


def frequencies(shape: tuple[int, ...]) -> Float[np.ndarray, "y x"]:
    """Return the spatial frequency of each sample of `numpy.fft.fft2` [cycles/px]."""
    ky, kx = (np.fft.fftfreq(n) for n in shape)
    return np.asarray(np.hypot(ky[:, None], kx[None, :]), dtype=np.float32)


def window(shape: tuple[int, ...]) -> Float[np.ndarray, "y x"]:
    """Return a Hann window of mean square 1."""
    hann = np.outer(np.hanning(shape[0] + 2)[1:-1], np.hanning(shape[1] + 2)[1:-1])
    return np.asarray(hann / np.sqrt(np.mean(hann**2)), dtype=np.float32)


def spectrum(image: Float[np.ndarray, "y x"]) -> Spectrum:
    """Return the power spectrum of a frame and that of its noise."""
    from scipy import fft

    centred = (image - np.mean(image)) * window(image.shape)
    power = np.abs(fft.fft2(centred.astype(np.float32), workers=1)) ** 2 / image.size
    k = frequencies(image.shape)
    return Spectrum(power=power, noise=_ring_level(power, k), k=k)


def _ring_level(power: Float[np.ndarray, "y x"], k: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
    """Return the mean power that the lower quantile around each ring of frequencies speaks for."""
    width = 2.0 / min(power.shape)
    ring = (k / width).astype(np.int32).ravel()
    n_rings = int(ring.max()) + 1
    # Powers are not negative: as integers their bits have the order of the numbers, so that rings and powers
    # are sorted together as one integer, ten times as fast as by two keys.
    both = (ring.astype(np.uint64) << np.uint64(32)) | power.astype(np.float32).ravel().view(np.uint32)
    ordered = np.sort(both).astype(np.uint32).view(np.float32)
    counts = np.bincount(ring, minlength=n_rings)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    pick = first + np.minimum((_QUANTILE * counts).astype(int), np.maximum(counts - 1, 0))
    level = ordered[np.minimum(pick, power.size - 1)] / _QUANTILE_OF_UNIT_EXPONENTIAL
    middle = (np.arange(n_rings) + 0.5) * width
    return np.asarray(np.interp(k.ravel(), middle, level).reshape(power.shape), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class NoiseLevel:
    """Variance of the noise of a pixel of intensity i: ``gain`` · i + ``floor`` (counts: gain 1, floor 0).

    ``least`` is the lowest variance that is believed, which keeps single counts in empty vacuum from being
    significant.
    """

    gain: float
    floor: float
    least: float

    def variance(self, intensity: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """Return the variance of the noise where the mean intensity is ``intensity``."""
        return np.maximum(self.gain * intensity + self.floor, self.least)


def noise_level(image: Float[np.ndarray, "y x"]) -> NoiseLevel:
    """Measure how the noise grows with the intensity, from second differences.

    The operator [1 -2 1] along both axes (Immerkær, Comput. Vis. Image Underst. 64 (1996) 300) cancels all
    that is locally planar; its mean square in classes of intensity is fitted by a line. Correlated noise is
    underestimated by a common factor, so use it for the shape of the relation only.
    """
    from scipy import ndimage, optimize

    smooth = ndimage.gaussian_filter(image, 3.0)
    rough = ndimage.convolve1d(ndimage.convolve1d(image, [1, -2, 1], axis=0), [1, -2, 1], axis=1) ** 2 / 36.0
    order = np.argsort(smooth, axis=None)
    classes = [part for part in np.array_split(order, _LEVELS) if len(part)]
    levels = np.array([smooth.ravel()[part].mean() for part in classes], float)
    variances = np.array([rough.ravel()[part].mean() for part in classes], float)
    mean = float(variances.mean())
    if mean <= 0:
        return NoiseLevel(gain=0.0, floor=1.0, least=1.0)
    base = float(levels.min())
    weight = 1.0 / np.maximum(variances, 0.3 * mean)
    design = np.stack([levels - base, np.ones_like(levels)], axis=1)
    (gain, at_base), _ = optimize.nnls(design * weight[:, None], variances * weight)
    return NoiseLevel(gain=float(gain), floor=float(at_base - gain * base), least=_LOWEST_VARIANCE * mean)
