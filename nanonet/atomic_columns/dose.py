"""The dose of a frame from its own noise, also where the detector blurs that noise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from nanonet.atomic_columns.noise import frequencies, window
from nanonet.records import Micrograph

_TILE = 256  # px: enough for a spectrum, and quick
_TILES = 4  # along each axis at most
_LOWEST, _HIGHEST = 0.25, 0.5  # cycles/px, where a crystal shows little and every direction is sampled
_BANDS = 12
_LOCAL = 1.0  # Å, that the local intensity of a specimen is a mean over
_SMALLEST = 32  # px: in fewer the bands are empty, or hold too little


def noise_equivalent_dose(micrograph: Micrograph) -> float | None:
    """Return the dose whose shot noise explains the noise of a transmission image [e/Å²], or None.

    Vacuum has relative intensity 1, so that counts of mean m and noise power v a pixel stand for a dose of
    m² / (v · pixel_size²) whatever the detector's gain. A detector that spreads each electron over its
    neighbours takes noise from the high frequencies: the variance of neighbouring pixels alone would promise
    many times the dose, so that the power is followed over frequency and continued to 0 (`noise_power`). Of a
    detector that misses electrons it is the dose of an ideal one that gives the same noise.

    Parameters
    ----------
    micrograph
        Raw counts. None is returned unless it is HRTEM with a pixel size, and noisy.
    """
    if micrograph.modality != "HRTEM" or micrograph.pixel_size is None:
        return None
    if min(micrograph.image.shape) < _SMALLEST:
        return None
    tiles = _without_spikes(_tiles(micrograph.image))
    mean, power = float(tiles.mean()), noise_power(tiles)
    if power is None or mean <= 0:
        return None
    return mean**2 / (power * micrograph.pixel_size**2)


def counted_dose(micrograph: Micrograph) -> float | None:
    """Return how many electrons the detector of a STEM counted where the specimen is [e/Å²], or None.

    In HAADF vacuum is dark, so that the noise says nothing of the dose, but of the electrons that were
    counted: intensity of mean m and noise power v has v / m an electron, whatever the detector's gain. The
    intensity of the specimen is the mean of the local intensity, weighted with its square, so that vacuum
    hardly counts.

    Parameters
    ----------
    micrograph
        Raw counts, from which no background was subtracted. None is returned unless it is HAADF or ADF with a
        pixel size, and noisy.
    """
    from scipy import ndimage

    if micrograph.modality not in ("HAADF", "ADF") or micrograph.pixel_size is None:
        return None
    gain = _counts_an_electron(micrograph.image)
    if gain is None:
        return None
    local = ndimage.gaussian_filter(micrograph.image.astype(np.float32), _LOCAL / micrograph.pixel_size)
    specimen = float((local**3).sum(dtype=float) / (local**2).sum(dtype=float))
    return specimen / (gain * micrograph.pixel_size**2)


def _counts_an_electron(image: Float[np.ndarray, "y x"]) -> float | None:
    """Return noise power over mean, tile by tile, since vacuum has little of both; None if there is none."""
    if min(image.shape) < _SMALLEST:
        return None
    tiles = _tiles(image)
    weight = window(tiles.shape[1:]) ** 2
    mean = (tiles * weight).mean(axis=(1, 2)) / weight.mean()
    power = [noise_power(tile[None]) for tile in tiles]
    known = np.array([found is not None for found in power])
    total = float(mean[known].sum())
    return sum(found for found in power if found is not None) / total if total > 0 else None


def noise_power(tiles: Float[np.ndarray, "n y x"]) -> float | None:
    """Return the power of the noise at frequency 0, its variance where it is white; None if there is none.

    The periodogram of noise is exponentially distributed, and a crystal's spots are few: the median in a band
    of frequencies speaks for the noise. Its logarithm is continued to frequency 0 along a straight line in
    k², as for a detector that spreads electrons by a Gaussian. Bands have equal areas.
    """
    shape = tiles.shape[1:]
    edges = np.linspace(_LOWEST**2, _HIGHEST**2, _BANDS + 1)
    square = frequencies(shape)[:, : shape[1] // 2 + 1] ** 2
    smooth = tiles.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.rfft2((tiles - smooth) * window(shape))) ** 2 / tiles[0].size
    bands = [(square >= low) & (square < high) for low, high in pairwise(edges)]
    level = np.array([np.median(power[:, band]) for band in bands]) / np.log(2)
    if not (level > 0).all():
        return None
    _, at_zero = np.polyfit((edges[1:] + edges[:-1]) / 2, np.log(level), 1)
    return float(np.exp(at_zero))


def _tiles(image: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "n v u"]:
    """Return pieces of one size, spread over the frame."""
    size = [min(n, _TILE) for n in image.shape]
    starts = [
        np.linspace(0, n - edge, min(_TILES, -(-n // edge))).astype(int)
        for n, edge in zip(image.shape, size, strict=True)
    ]
    pieces = [image[y : y + size[0], x : x + size[1]] for y in starts[0] for x in starts[1]]
    return np.stack(pieces).astype(float)


def _without_spikes(tiles: Float[np.ndarray, "n v u"]) -> Float[np.ndarray, "n v u"]:
    """Return tiles without hot pixels and X-rays, each of which would be noise at all frequencies."""
    low, middle, high = np.percentile(tiles, [0.1, 50, 99.9], axis=(1, 2), keepdims=True)
    return np.asarray(np.clip(tiles, middle - 2 * (middle - low), middle + 2 * (high - middle)))
