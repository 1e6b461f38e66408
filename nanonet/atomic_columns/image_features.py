"""What a window of a frame is like: its noise, its background, and the power spectrum of its crystal."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from nanonet.atomic_columns.noise import frequencies, window

_FLOOR = 0.42  # cycles/px from which on there is noise only
_QUIET = (0.3, 0.7)  # cycles/px between which a crystal shows little
_RINGS = 8  # of equal areas, in that range
_SMOOTH = 0.8  # px: of the intensity that the noise grows with
_BAND = (0.21, 0.72)  # 1/Å: where crystals have their fringes
_FINEST = 1.2  # 1/Å: end of the shape
_NARROW, _WIDE = 0.03, 0.08  # 1/Å: least widths of the bands of the shape
_TEXTURE = (0.22, 0.5)  # 1/Å: what the background is looked at through
_APART = 5.0  # Å from any column: what lies there is background
_LEAST = 60  # independent samples of the background
_REACH = (2.5, 5.5)  # Å from the columns over which the window around a crystal falls to 0
_EDGE = 12.0  # px over which it falls to 0 at the border


def shape_edges(pixel_size: float, side: int) -> Float[np.ndarray, " edge"]:
    """Return the edges [1/Å] of the bands that the shape of the power spectrum is given in.

    They are as narrow as a window of ``side`` px resolves, and wider where a crystal's beams grow weak.
    """
    step = max(_NARROW, 1.0 / (side * pixel_size))
    fine = np.arange(2 * step, _BAND[1], step)
    coarse = np.arange(fine[-1] + step, min(_FINEST, _FLOOR / pixel_size), max(_WIDE, step))
    return np.concatenate([fine, coarse])


def image_features(
    contrast: Float[np.ndarray, "y x"], positions: Float[np.ndarray, "n 2"], pixel_size: float, side: int
) -> Float[np.ndarray, " feature"]:
    """Return noise, its colour and growth, background, fringes, and the shape; see `frame_features`.

    Parameters
    ----------
    contrast
        Intensity over its mean, less 1.
    positions
        (n, 2) of the columns [px], at least one.
    pixel_size
        [Å].
    side
        Of a window [px]: a frame that is smaller leaves some bands of the shape NaN.
    """
    k = frequencies(contrast.shape)
    plain = _power(contrast, window(contrast.shape))
    noise, colour = _noise(plain, k)
    away = _distance(positions, contrast.shape) * pixel_size
    around = _power(contrast, _around(away))
    fringes, shape = _profile(around / noise - 1.0, k / pixel_size, shape_edges(pixel_size, side))
    numbers = [
        -np.log10(noise[0, 0] * pixel_size**2),
        colour,
        _growth(contrast, k),
        _background(contrast, away > _APART, k / pixel_size, noise),
        fringes,
    ]
    return np.concatenate([numbers, shape])


def _noise(
    power: Float[np.ndarray, "y x"], k: Float[np.ndarray, "y x"]
) -> tuple[Float[np.ndarray, "y x"], float]:
    """Return the power of the noise at each frequency, and log of its power at 0 over that at Nyquist's.

    The median in a ring speaks for the noise, since a crystal's spots are few. Its logarithm is a straight
    line in k², as for a detector that spreads electrons by a Gaussian (see `nanonet.atomic_columns.dose`),
    whose slope is shrunk by its error (James and Stein): noise that may be white is taken for white.
    """
    edges = np.sqrt(np.linspace(_QUIET[0] ** 2, _QUIET[1] ** 2, _RINGS + 1))
    rings = [power[(k >= low) & (k < high)] for low, high in pairwise(edges)]
    level = np.log([max(float(np.median(ring)) / np.log(2), 1e-12) for ring in rings])
    square = (edges[1:] ** 2 + edges[:-1] ** 2) / 2
    # of exponential numbers the log of the median scatters by 1 / (log 2 · sqrt(n)); k and -k are one sample,
    # and the window leaves half of those
    certain = np.array([len(ring) for ring in rings]) * np.log(2) ** 2 / 4
    middle, mean = np.average(square, weights=certain), np.average(level, weights=certain)
    aside = square - middle
    spread = float(certain @ aside**2)
    slope = float(certain @ (aside * level)) / spread
    slope *= max(0.0, 1.0 - 1.0 / (spread * slope**2)) if slope else 0.0
    return np.exp(mean + slope * (k.astype(float) ** 2 - middle)), float(-slope * 0.25)


def _power(contrast: Float[np.ndarray, "y x"], weight: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
    """Return the power spectrum under a weight; white noise of variance v has the power v."""
    from scipy import fft

    weight = weight / np.sqrt(np.mean(weight.astype(float) ** 2))
    centred = (contrast - np.sum(contrast * weight) / weight.sum()) * weight
    return np.asarray(np.abs(fft.fft2(centred, workers=1)) ** 2 / contrast.size)


def _distance(positions: Float[np.ndarray, "n 2"], shape: tuple[int, ...]) -> Float[np.ndarray, "y x"]:
    """Return the distance of each pixel from the nearest column [px]."""
    from scipy import ndimage

    empty = np.ones(shape, dtype=bool)
    empty[tuple(np.clip(np.rint(positions).astype(int), 0, np.array(shape) - 1).T)] = False
    return np.asarray(ndimage.distance_transform_edt(empty), dtype=float)


def _around(away: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
    """Return a smooth window around the columns, which also falls to 0 at the border."""
    weight = _smooth_step((_REACH[1] - away) / (_REACH[1] - _REACH[0]))
    y, x = (_smooth_step((0.5 + np.minimum(np.arange(n), np.arange(n)[::-1])) / _EDGE) for n in away.shape)
    return np.asarray(weight * y[:, None] * x[None])


def _smooth_step(value: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
    cut = np.clip(value, 0.0, 1.0)
    return np.asarray(cut * cut * (3 - 2 * cut))


def _profile(
    excess: Float[np.ndarray, "y x"], k: Float[np.ndarray, "y x"], edges: Float[np.ndarray, " edge"]
) -> tuple[float, Float[np.ndarray, " band"]]:
    """Return the mean of the rotationally averaged power over the noise, and each band relative to it."""
    number_of_bands = len(edges) - 1
    band = np.digitize(k, edges).ravel() - 1
    valid = (band >= 0) & (band < number_of_bands)
    number = np.bincount(band[valid], minlength=number_of_bands)
    total = np.bincount(band[valid], excess.ravel()[valid], minlength=number_of_bands)
    level = np.where(number > 0, _in_noise(total / np.maximum(number, 1), number), np.nan)
    middle = (edges[1:] + edges[:-1]) / 2
    fringes = float(np.nanmean(level[(middle > _BAND[0]) & (middle < _BAND[1])]))
    return fringes, level - fringes


def _in_noise(excess: np.ndarray | float, samples: np.ndarray | float) -> np.ndarray:
    """Return asinh of half the excess of a power over the noise, in units of what noise scatters by.

    Power is exponentially distributed, k and -k are one sample, and the window leaves about half of those.
    """
    return np.asarray(np.arcsinh(excess * np.sqrt(np.maximum(samples, 4) / 4.0) / 2.0))


def _growth(contrast: Float[np.ndarray, "y x"], k: Float[np.ndarray, "y x"]) -> float:
    """Return the slope of the noise's variance over the intensity, relative to the mean variance.

    The square of what lies at high frequencies, where there is noise only, is regressed on the image at low
    frequencies.
    """
    from scipy import fft

    transformed = fft.fft2(contrast - contrast.mean(), workers=1)
    noise = fft.ifft2(transformed * (k > _FLOOR), workers=1).real ** 2
    smooth = fft.ifft2(transformed * np.exp(-2 * (np.pi * _SMOOTH * k) ** 2) * (k < 0.3), workers=1).real
    spread = float(np.mean(smooth**2)) * float(noise.mean())
    return float(np.mean(smooth * noise)) / spread if spread > 0 else 0.0


def _background(
    contrast: Float[np.ndarray, "y x"],
    outside: Bool[np.ndarray, "y x"],
    k: Float[np.ndarray, "y x"],
    noise: Float[np.ndarray, "y x"],
) -> float:
    """Return the power over the noise of what lies away from the columns; NaN where too little does."""
    from scipy import fft

    band = (k >= _TEXTURE[0]) & (k < _TEXTURE[1])
    samples = float(outside.sum() * band.mean())
    if samples < _LEAST:
        return float("nan")
    passed = fft.ifft2(fft.fft2(contrast, workers=1) * band, workers=1).real
    excess = float(np.mean(passed[outside] ** 2)) / float((noise * band).mean()) - 1.0
    return float(_in_noise(excess, samples))
