"""Find atomic columns without a network: a band-pass at the scale of the columns, then joint Gaussian fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from nanonet.atomic_columns.gaussians import Gaussians, fit_gaussians
from nanonet.atomic_columns.noise import NoiseLevel, Spectrum, frequencies, noise_level, spectrum, window
from nanonet.atomic_columns.scale import column_width, spacing_range
from nanonet.atomic_columns.table import column_table
from nanonet.records import FrameResult, InputError, Micrograph

_SAMPLES = 2.5  # px a standard deviation: finer images are binned to this, which costs no precision
_SEPARATION = 1.6  # standard deviations of the filter: nearer maxima are not told apart
_ROUND = 0.2  # least ratio of the curvatures of a maximum: below, it sits on a lattice fringe


def find_columns(
    micrograph: Micrograph,
    *,
    contrast: Literal["auto", "bright", "dark"] = "auto",
    width: float | None = None,
    min_separation: float | None = None,
    min_confidence: float = 0.95,
) -> FrameResult:
    """Find the atomic columns of one frame; their depth stays unknown.

    The frame is filtered with the Laplacian of a Gaussian of the columns' width, which takes off the background;
    maxima are kept where they are significant, two-dimensional and well shaped, and refined by a joint fit of
    Gaussians. The confidence of a column is the probability exp(-N) that noise alone shows no maximum so high
    anywhere in the frame, where N is the expected number of such maxima of a Gaussian random field (Adler,
    The Geometry of Random Fields, 1981, section 6.2). Vacuum thus gives no columns.

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

    Raises
    ------
    InputError
        If a length is not positive, ``min_confidence`` is outside 0..1, or the image holds NaN.
    """
    _check(micrograph, width, min_separation, min_confidence)
    scale = micrograph.pixel_size or 1.0
    full = spectrum(micrograph.image)
    sigma = width / scale if width else column_width(full, spacing_range(full.k.shape, micrograph.pixel_size))
    if sigma is None or not np.ptp(micrograph.image):
        return _result(micrograph, np.empty((0, 2)), np.empty(0))
    binning = max(1, int(sigma / _SAMPLES))
    image = _binned(micrograph.image, binning)
    sigma /= binning
    separation = min_separation / scale / binning if min_separation else _SEPARATION * sigma
    sign, warnings = _sign(micrograph, image, sigma, contrast)
    peaks = _peaks(sign * image, noise_level(image), sigma=sigma, separation=separation)
    peaks = peaks.where(peaks.confidence >= min_confidence)
    fit = _refine(sign * image, noise_level(image), peaks, sigma=sigma, separation=separation)
    keep = _plausible(fit, peaks, sigma=sigma, separation=separation, shape=image.shape)
    positions = fit.positions[keep] * binning + (binning - 1) / 2
    return _result(micrograph, positions, peaks.confidence[keep], warnings)
