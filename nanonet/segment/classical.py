"""Particles without a network: rolling ball, Gaussian, threshold, watershed.

The steps are those of Slater et al., Microsc. Microanal. 26, 1168 (2020), as in their ParticleSpy; the
default lengths are our own. Steps are added, since nobody sets parameters for a single image here: smoothing
and threshold are those whose particles depend least on them (`nanonet.segment.stability`), what noise alone
would explain is dropped, touching particles are cut at necks only, and each outline is put at half of the
particle's own height.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import get_args

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import InputError, LabelMap, Micrograph, Series
from nanonet.segment.background import block_mean, enlarge, rolling_ball
from nanonet.segment.edges import half_height
from nanonet.segment.separation import Foreground, Separation
from nanonet.segment.significance import confidence
from nanonet.segment.specks import disc_area, without_specks
from nanonet.segment.stability import most_stable
from nanonet.segment.threshold import Contrast, Threshold, find_threshold, particles_are_bright
from nanonet.segment.watershed import separate as by_watershed

_LEAST_SIGMA = 1.5
"""Pixels: less smoothing leaves the shot noise of single pixels, however large these are."""

_FWHM = 2.355
"""Of a Gaussian in units of its sigma: what is smaller cannot be told from the smoothing."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """What the lengths of `segment` are where they are not given, in nm or in pixels."""

    background_radius: float
    sigma: float
    smallest: float

    def in_blocks(self, block: int) -> Lengths:
        """Return lengths in pixels as lengths in blocks of ``block`` pixels a side."""
        return Lengths(**{name: length / block for name, length in vars(self).items()})


NANOMETRES = Lengths(background_radius=50.0, sigma=0.25, smallest=1.0)
"""Sigma wipes out lattice fringes: of 0.235 nm, Au {111}, it leaves 2e-10, of 0.5 nm 0.7 %."""

PIXELS = Lengths(background_radius=128.0, sigma=2.0, smallest=6.0)

_FACTORS = (1.0, 2.0)
_THRESHOLDS: tuple[Threshold, ...] = ("li", "otsu", "triangle")
"""What is tried where it is not given: factors of the default sigma and radius, and thresholds. Chosen on 122
micrographs of 104 papers."""
_LOOKED_AT = 1024
"""Blocks a side, in the middle of a frame, that settings are chosen on."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `segment` was asked for; None takes a default, or is for the image to decide."""

    background_radius: float | None
    sigma: float | None
    smallest: float | None
    threshold: Threshold | None
    particles: Contrast
    separate: Separation
    minimum_confidence: float


@dataclass(frozen=True, eq=False)
class _Movie:
    """A movie that equals itself alone: its frames need not be hashable."""

    series: Series

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Movie) and other.series is self.series

    def __hash__(self) -> int:
        return id(self.series)


def segment(
    micrograph: Micrograph,
    *,
    background_radius: float | None = None,
    sigma: float | None = None,
    smallest: float | None = None,
    threshold: Threshold | None = None,
    particles: Contrast = "auto",
    separate: Separation = by_watershed,
    minimum_confidence: float = 0.5,
) -> LabelMap:
    """Return the particles of a micrograph.

    What is not given of ``background_radius``, ``sigma`` and ``threshold`` is chosen so that the particles of
    the image, or of the first frame of the movie, depend least on it; `LabelMap.note` says what came out.

    Lengths are in nm, or in pixels where the micrograph has no pixel size; None takes those of `NANOMETRES`
    or `PIXELS`. On images much finer than ``sigma`` the work is done on blocks of pixels of half a sigma;
    outlines are then found again at every pixel, cuts between particles are as coarse as the blocks.

    Parameters
    ----------
    micrograph
        Pixels that are not finite are taken for the median of the others.
    background_radius
        Of the rolling ball: more than the radius of the largest particle. At most half the shorter side of
        the frame is used. None tries the default and twice that.
    sigma
        Of the Gaussian; at least 1.5 pixels are used. None tries the default and twice that.
    smallest
        Diameter of a disc of the area below which a particle is dropped and a hole is filled; at least the
        full width of the Gaussian is used.
    threshold
        Method of scikit-image that finds particles; where they end is then read at their half height. None
        tries li, otsu and triangle.
    particles
        Whether they are brighter or darker than the background; "auto" takes it from the modality, else from
        the image (`nanonet.segment.threshold.particles_are_bright`).
    separate
        How touching particles are cut apart, a variant of the config group ``separate``.
    minimum_confidence
        Particles with a smaller chance that noise did not make them are dropped.

    Returns
    -------
    LabelMap
        ``confidence`` is that of `nanonet.segment.significance.confidence`.

    Raises
    ------
    InputError
        If a length is not positive, a share not in 0..1, or a name not known.
    """
    _check(particles, minimum_confidence)
    wanted = Settings(
        background_radius=background_radius,
        sigma=sigma,
        smallest=smallest,
        threshold=threshold,
        particles=particles,
        separate=separate,
        minimum_confidence=minimum_confidence,
    )
    _in_pixels(micrograph, wanted)
    if not micrograph.image.size:
        return _nothing(micrograph.image.shape)
    if micrograph.movie is None:
        settings, reason = _settled(micrograph, wanted)
    else:
        settings, reason = _settled_for(_Movie(micrograph.movie), wanted)
    return replace(_segmented(micrograph, settings), note=reason)


def _segmented(micrograph: Micrograph, settings: Settings) -> LabelMap:
    """Return the particles by settings that leave nothing to the image."""
    particles = settings.particles
    lengths = _in_pixels(micrograph, settings)
    block = _block(lengths)
    smooth = _smooth(_finite(micrograph.image), lengths.sigma, block)
    bright = (
        particles_are_bright(smooth, micrograph.modality) if particles == "auto" else particles == "bright"
    )
    smooth = smooth if bright else -smooth
    coarse = lengths.in_blocks(block)
    mask, start = _above(smooth, coarse, settings.threshold or _THRESHOLDS[0])
    parts = settings.separate(
        Foreground(mask=mask, pixel_size=micrograph.pixel_size, block=block, smallest=coarse.smallest)
    )
    labels, number = _with_rest(parts.labels, mask, coarse.smallest), len(parts.separated)
    chance = confidence(smooth, labels, threshold=start, sigma=coarse.sigma)
    rest = len(chance) - number
    separated, flagged = (np.pad(which, (0, rest)) for which in (parts.separated, parts.flagged))
    keep = ~(chance < settings.minimum_confidence)
    chance[flagged], chance[number:] = 0.0, np.nan
    found = _only(LabelMap(labels=labels, separated=separated, confidence=chance), keep)
    labels = _outlined(found.labels, smooth, lengths.sigma, block, micrograph.image.shape)
    area = np.bincount(labels.ravel(), minlength=len(found.confidence) + 1)[1:]
    real = (area >= disc_area(lengths.smallest)) & ~np.isnan(found.confidence)
    unresolved = float(area[~(found.confidence > 0)].sum() / labels.size)
    return replace(_only(replace(found, labels=labels), real), unresolved=unresolved)


def _with_rest(
    labels: Int[np.ndarray, "v u"], mask: Bool[np.ndarray, "v u"], smallest: float
) -> Int[np.ndarray, "v u"]:
    """Return particles and, under one more label, the last, what a separation left out of the mask.

    It is no particle, but no background either, and neighbours must not grow into it when their outlines
    are found.
    """
    rest = without_specks(mask & (labels == 0), smallest) & (labels == 0)
    return np.where(rest, labels.max(initial=0) + 1, labels)


def _above(
    smooth: Float[np.ndarray, "v u"], lengths: Lengths, threshold: Threshold
) -> tuple[Bool[np.ndarray, "v u"], Float[np.ndarray, "v u"]]:
    """Return what passes the threshold over the ball, without specks, and the intensity that this takes."""
    background = rolling_ball(smooth, radius=lengths.background_radius)
    flat = smooth - background
    level = find_threshold(flat, threshold)
    return without_specks(flat > level, lengths.smallest), background + level


def _check(particles: str, minimum_confidence: float) -> None:
    if particles not in get_args(Contrast):
        raise InputError(f"particles must be one of {', '.join(get_args(Contrast))}, got {particles!r}")
    if not 0.0 <= minimum_confidence <= 1.0:
        raise InputError(f"minimum_confidence must be in 0..1, got {minimum_confidence}")


def _block(lengths: Lengths) -> int:
    return max(1, int(lengths.sigma / 2.0))


def _defaults(micrograph: Micrograph) -> tuple[Lengths, str]:
    return (PIXELS, "px") if micrograph.pixel_size is None else (NANOMETRES, "nm")


def _settled(micrograph: Micrograph, wanted: Settings) -> tuple[Settings, str]:
    """Return settings with what the image is to decide, and the reason; what was given stays."""
    default, unit = _defaults(micrograph)
    sigmas = [f * default.sigma for f in _FACTORS] if wanted.sigma is None else [wanted.sigma]
    radii = [wanted.background_radius]
    if wanted.background_radius is None:
        radii = [f * default.background_radius for f in _FACTORS]
    thresholds = _THRESHOLDS if wanted.threshold is None else (wanted.threshold,)
    tried = [
        replace(wanted, sigma=sigma, background_radius=radius, threshold=threshold)
        for sigma, radius, threshold in product(sigmas, radii, thresholds)
    ]
    if len(tried) == 1:
        return tried[0], ""
    middle = _middle(micrograph, tried[0])
    best, agreement = most_stable([_segmented(middle, settings).labels for settings in tried])
    chosen = tried[best]
    reason = (
        f"sigma={chosen.sigma:g} {unit}, background_radius={chosen.background_radius:g} {unit}, "
        f"threshold={chosen.threshold}: of {len(tried)} settings the one whose particles the others find "
        f"too, F1 {agreement:.2f} in the mean"
    )
    return chosen, reason


def _middle(micrograph: Micrograph, settings: Settings) -> Micrograph:
    """Return the middle of a large frame."""
    most = _LOOKED_AT * _block(_in_pixels(micrograph, settings))
    middle = tuple(
        slice(max(0, (n - most) // 2), max(0, (n - most) // 2) + most) for n in micrograph.image.shape
    )
    return replace(micrograph, image=micrograph.image[middle])


@lru_cache(maxsize=4)
def _settled_for(movie: _Movie, wanted: Settings) -> tuple[Settings, str]:
    """Return what the first frame of a movie decides for all."""
    settings, reason = _settled(movie.series[0], wanted)
    return settings, reason and f"{reason}; chosen on the first frame"


def _in_pixels(micrograph: Micrograph, settings: Settings) -> Lengths:
    """Return the lengths in pixels, within what the frame and its pixels allow."""
    nanometre = 1.0 if micrograph.pixel_size is None else 10.0 / micrograph.pixel_size
    default, unit = _defaults(micrograph)
    given = {name: getattr(settings, name) for name in vars(default)}
    wanted = replace(default, **{name: value for name, value in given.items() if value is not None})
    for name, value in vars(wanted).items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} must be positive, got {value} {unit}")
    width = max(wanted.sigma * nanometre, _LEAST_SIGMA)
    return Lengths(
        background_radius=min(
            wanted.background_radius * nanometre, max(min(micrograph.image.shape) / 2.0, 1.0)
        ),
        sigma=width,
        smallest=max(wanted.smallest * nanometre, _FWHM * width),
    )


def _finite(image: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
    good = np.isfinite(image)
    image = image.astype(np.float32)
    if good.all():
        return image
    return np.where(good, image, np.median(image[good]) if good.any() else np.float32(0.0))


def _smooth(image: Float[np.ndarray, "y x"], sigma: float, block: int) -> Float[np.ndarray, "v u"]:
    """Return block means smoothed so that, with what the blocks have smoothed, sigma is as asked."""
    from scipy.ndimage import gaussian_filter

    left = math.sqrt((sigma / block) ** 2 - (1.0 - 1.0 / block**2) / 12.0)
    return np.asarray(gaussian_filter(block_mean(image, block), left, mode="nearest"))


def _outlined(
    parts: Int[np.ndarray, "v u"],
    smooth: Float[np.ndarray, "v u"],
    sigma: float,
    block: int,
    shape: tuple[int, ...],
) -> Int[np.ndarray, "y x"]:
    """Return labels found on blocks at every pixel, with outlines at the particles' half heights."""
    from skimage.segmentation import expand_labels

    parts, level = half_height(smooth, parts, reach=1.5 * sigma / block)
    if block == 1:
        return parts
    rows, columns = (np.arange(size) // block for size in shape)
    near = expand_labels(parts, distance=2.0)[rows[:, None], columns]
    enclosed = ((parts > 0) & (smooth <= level[parts]))[rows[:, None], columns]
    return np.where((enlarge(smooth, block, shape) > level[near]) | enclosed, near, 0)


def _only(found: LabelMap, keep: Bool[np.ndarray, " n"]) -> LabelMap:
    """Return the particles to keep, numbered without gaps."""
    number = np.zeros(len(keep) + 1, dtype=np.int32)
    number[1:][keep] = np.arange(1, np.count_nonzero(keep) + 1)
    return LabelMap(
        labels=number[found.labels], separated=found.separated[keep], confidence=found.confidence[keep]
    )


def _nothing(shape: tuple[int, ...]) -> LabelMap:
    return LabelMap(
        labels=np.zeros(shape, dtype=np.int32), separated=np.zeros(0, dtype=bool), confidence=np.zeros(0)
    )
