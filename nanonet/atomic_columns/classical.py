"""Find atomic columns without a network: a band-pass at their own scale, then joint Gaussian fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from nanonet.atomic_columns.gaussians import Gaussians, fit_gaussians
from nanonet.atomic_columns.lattice_peaks import continued, without_light
from nanonet.atomic_columns.noise import noise_level, spectrum
from nanonet.atomic_columns.peaks import BandPass, Peaks, band_pass, find_peaks, trust_neighbours
from nanonet.atomic_columns.reciprocal import period_vectors
from nanonet.atomic_columns.scale import binned, column_width, spacing_range
from nanonet.atomic_columns.table import column_table
from nanonet.records import FrameResult, InputError, Micrograph

_SAMPLES = 2.5  # px a standard deviation: finer images are binned to this, which costs no precision
_SEPARATION = 1.6  # standard deviations of the filter: nearer maxima are not told apart
_DISC = (2.0, 4.0)  # standard deviations of the filter: least and largest radius that a column is fitted in
_AWAY = 0.5  # of the least separation: a fit that moved farther has lost its peak
_BRIGHT = ("HAADF", "ADF", "SEM")
_DARK = ("BF-TEM", "BF-STEM")
_LEAST_HEIGHT = 0.6  # of a neighbour, in HRTEM: oxygen beside cerium shows 0.2 to 0.5 of its height
_UNCLEAR = 0.05  # contrast below which dark and bright columns stand out alike


@dataclass(frozen=True, kw_only=True)
class Found:
    """Columns found in a frame.

    Parameters
    ----------
    positions
        (n, 2) as (y, x) [px of the frame as it was given].
    confidence
        (n,) probability that noise shows no such maximum.
    sign
        1 for bright columns, -1 for dark ones.
    width
        Standard deviation of the filter that they were found with [px].
    warnings
        What the user should know.
    """

    positions: Float[np.ndarray, "n 2"]
    confidence: Float[np.ndarray, " n"]
    sign: int = 1
    width: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Search:
    """How columns are looked for, as of `find_columns`."""

    contrast: Literal["auto", "bright", "dark"] = "auto"
    width: float | None = None
    min_separation: float | None = None
    min_confidence: float = 0.95
    least_height: float | None = None

    def __post_init__(self) -> None:
        for name in ("width", "min_separation"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise InputError(
                    f"columns.{name} must be positive, got {value}; leave it out to have it measured"
                )
        for name in ("min_confidence", "least_height"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"columns.{name} must be between 0 and 1, got {value}")


def find_columns(
    micrograph: Micrograph,
    *,
    contrast: Literal["auto", "bright", "dark"] = "auto",
    width: float | None = None,
    min_separation: float | None = None,
    min_confidence: float = 0.95,
    least_height: float | None = None,
) -> FrameResult:
    """Find the atomic columns of one frame; their depth stays unknown.

    The frame is filtered with the Laplacian of a Gaussian of the columns' width, which takes off the
    background; maxima are kept where they are significant and two-dimensional, and refined by a joint fit of
    Gaussians. The confidence of a column is the probability exp(-N) that noise alone shows no
    maximum so high anywhere in the frame (beside certain columns: within one and a half of their spacings),
    where N is the expected number of such maxima of a Gaussian random field (Adler, The Geometry of Random
    Fields, 1981, section 6.2). Vacuum thus gives no columns. Where the frame shows a lattice, lower maxima
    one period from a column are taken too, at a false discovery rate of 1 - ``min_confidence``: their
    confidence is the share of columns among those as high.

    Parameters
    ----------
    micrograph
        The frame. Without a pixel size all lengths are in px.
    contrast
        Whether columns are bright or dark; "auto" takes bright for HAADF and ADF, dark for bright field, else
        what the frame shows.
    width
        Standard deviation of the filter [Å, or px]; None chooses it from the power spectrum.
    min_separation
        Columns nearer than this are taken for one [Å, or px]; None takes 1.6 times the width.
    min_confidence
        Columns of less confidence are dropped.
    least_height
        A maximum within three quarters of the shorter period of a higher one is dropped where it is lower
        than this share of it: phase contrast has maxima in gaps and on columns of light atoms too. 1 keeps
        one column a period, 0 keeps all; None takes 0.6 for HRTEM and 0 for all others.

    Raises
    ------
    InputError
        If a length is not positive, ``min_confidence`` or ``least_height`` is outside 0..1, or the image
        holds NaN.
    """
    search = Search(
        contrast=contrast,
        width=width,
        min_separation=min_separation,
        min_confidence=min_confidence,
        least_height=least_height,
    )
    found = locate(micrograph, search)
    table = column_table(
        found.positions,
        frame=micrograph.frame,
        pixel_size=micrograph.pixel_size,
        values={"confidence": found.confidence},
    )
    return FrameResult(frame=micrograph.frame, tables=(table,), warnings=found.warnings)


def locate(micrograph: Micrograph, search: Search) -> Found:
    """Find the atomic columns of one frame, see `find_columns`."""
    if not np.all(np.isfinite(micrograph.image)):
        raise InputError(f"frame {micrograph.frame} of {micrograph.name} holds NaN or infinite intensities")
    scale = micrograph.pixel_size or 1.0
    sigma = search.width / scale if search.width else _own_width(micrograph)
    if sigma is None:
        return Found(positions=np.empty((0, 2)), confidence=np.empty(0))
    binning = max(1, int(sigma / _SAMPLES))
    image = binned(micrograph.image, binning)
    sigma /= binning
    separation = search.min_separation / scale / binning if search.min_separation else _SEPARATION * sigma
    level = noise_level(image)
    band = band_pass(image, level, sigma)
    sign, warnings = _sign(band, micrograph, search.contrast)
    maxima = trust_neighbours(find_peaks(band, sign=sign, separation=separation), search.min_confidence)
    periods = period_vectors(image, micrograph.pixel_size and micrograph.pixel_size * binning)
    peaks = _of_crystal(maxima, periods, image.shape, micrograph, search)
    variance = level.variance(_smooth(image, 0.7 * sigma))
    fit = fit_gaussians(
        sign * image, variance, peaks.positions, width=sigma, radius=_reach(peaks.positions, sigma)
    )
    lost = _is_lost(fit, peaks.positions, separation)
    places = np.where(lost[:, None], peaks.positions, fit.positions)
    keep = np.all((places >= 0) & (places <= np.array(image.shape) - 1), axis=1)
    keep &= ~lost | (np.exp(-image.size * peaks.density) >= search.min_confidence)
    return Found(
        positions=places[keep] * binning + (binning - 1) / 2,
        confidence=peaks.confidence[keep],
        sign=sign,
        width=sigma * binning,
        warnings=warnings,
    )


def _of_crystal(
    maxima: Peaks,
    periods: Float[np.ndarray, "2 2"] | None,
    shape: tuple[int, ...],
    micrograph: Micrograph,
    search: Search,
) -> Peaks:
    """Return the maxima that are columns."""
    sure = maxima[maxima.confidence >= search.min_confidence]
    if periods is None:
        return sure
    least = search.least_height
    if least is None:
        least = _LEAST_HEIGHT if micrograph.modality == "HRTEM" else 0.0
    if least:
        sure = without_light(sure, periods, least)
    return continued(sure, maxima, periods, shape, search.min_confidence)


def _own_width(micrograph: Micrograph) -> float | None:
    """Return the columns' width in px, or None where the frame shows no lattice."""
    if min(micrograph.image.shape) < 16 or not np.ptp(micrograph.image):
        return None
    spacings = spacing_range(micrograph.image.shape, micrograph.pixel_size)
    return column_width(spectrum(micrograph.image), spacings)


def _sign(band: BandPass, micrograph: Micrograph, contrast: str) -> tuple[int, tuple[str, ...]]:
    """Return 1 for bright columns or -1 for dark ones, and a warning where the frame does not tell."""
    if contrast != "auto":
        return (1 if contrast == "bright" else -1), ()
    if micrograph.modality in _BRIGHT or micrograph.modality in _DARK:
        return (1 if micrograph.modality in _BRIGHT else -1), ()
    sign = 1 if band.contrast >= 0 else -1
    if abs(band.contrast) >= _UNCLEAR or not np.any(np.abs(band.significance) > 6):
        return sign, ()
    shown = "bright" if sign == 1 else "dark"
    return sign, (f"bright and dark columns stand out alike: took {shown} ones; set columns.contrast",)


def _reach(positions: Float[np.ndarray, "n 2"], sigma: float) -> float:
    """Return the radius of the disc that a column is fitted in: most of the way to the next ones."""
    from scipy.spatial import cKDTree

    if len(positions) < 2:
        return _DISC[1] * sigma
    nearest = cKDTree(positions).query(positions, k=2)[0][:, 1]
    return float(np.clip(0.8 * np.median(nearest), _DISC[0] * sigma, _DISC[1] * sigma))


def _smooth(image: Float[np.ndarray, "y x"], sigma: float) -> Float[np.ndarray, "y x"]:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(image, sigma))


def _is_lost(fit: Gaussians, start: Float[np.ndarray, "n 2"], separation: float) -> Bool[np.ndarray, " n"]:
    """Return which fits ran away from their maximum.

    Where phase contrast rings around columns, which is no Gaussian on a background, the maximum itself is
    then the better position of a certain column; an uncertain one is dropped.
    """
    moved = np.hypot(*(fit.positions - start).T)
    return np.asarray((moved > _AWAY * separation) | (fit.amplitude <= 0))
