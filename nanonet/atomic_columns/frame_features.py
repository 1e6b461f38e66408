"""What can be told of a frame without knowing the answer: noise, lattice, columns, the network's certainty.

All is measured in windows of the size of a training image, placed where the columns are, so that neither the
size of a frame nor the vacuum in it counts.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from nanonet.atomic_columns.noise import frequencies, window
from nanonet.atomic_columns.readout import Reading

NAMES = (
    "noise",
    "noise_colour",
    "noise_growth",
    "fringes",
    "background",
    "elongation",
    "visibility",
    "spacing",
    "order",
    "entropy",
    "presence",
    "deepest",
)
"""Of the features before the shape of the spectrum; see `frame_features`."""
FEWEST = 6
"""Columns that a window must hold to be judged."""
_WINDOWS = 9  # at most: more tell little more, and a large frame must not take long
_SURE = 0.5  # least probability of a column that counts
_FLOOR = 0.42  # cycles/px from which on there is noise only
_COLOUR = ((0.36, 0.46), (0.54, 0.71))  # cycles/px: two bands of noise
_SMOOTH = 0.8  # px: of the intensity that the noise grows with
_BAND = (0.21, 0.72)  # 1/Å: where crystals have their fringes
_REACH = (2.5, 5.5)  # Å from the columns over which the window around a crystal falls to 0
_APART = 5.0  # Å from any column: what lies there is background
_MOTIF = (0.35, 1.6, 1.5)  # Å: the two widths of the band-pass, and half the side of a column's picture
_PAIRS = (9.0, 0.5)  # Å: vectors between columns up to this length, alike within that


def shape_frequencies(pixel_size: float, side: int) -> Float[np.ndarray, " edge"]:
    """Return the edges [1/Å] of the bands that the shape of the power spectrum is given in.

    They are as narrow as a window of ``side`` px resolves, at least 0.03 Å⁻¹, and wider where a crystal's
    beams grow weak.
    """
    step = max(0.03, 1.0 / (side * pixel_size))
    fine = np.arange(2 * step, _BAND[1], step)
    coarse = np.arange(fine[-1] + step, min(1.2, _FLOOR / pixel_size), max(0.08, step))
    return np.concatenate([fine, coarse])


def frame_features(
    counts: Float[np.ndarray, "y x"], reading: Reading, *, pixel_size: float, side: int
) -> Float[np.ndarray, " feature"] | None:
    """Return the features of a frame, the median over its windows; None where it shows too few columns.

    `NAMES` says the order of the first:

    - ``noise``: log10 of the dose [e/Å²] whose shot noise is that of the highest frequencies.
    - ``noise_colour``: log of the noise's power around 0.41 cycles/px over that beyond 0.54; 0 is white.
    - ``noise_growth``: how the variance grows with the intensity; 1 for counts, 0 for noise that is the same
      everywhere, negative where the contrast was inverted.
    - ``fringes``: power of the crystal over the noise, averaged over rings of 0.21 to 0.72 Å⁻¹. It is given
      as asinh, in units of the scatter that noise alone gives it: nearly linear for what is hidden in noise,
      logarithmic for what is far above it. So are ``background`` and the shape.
    - ``background``: power over the noise of what lies away from all columns, at 0.22 to 0.5 Å⁻¹.
    - ``elongation``: of the mean picture of a column, 0 for a round one.
    - ``visibility``: log of the mean picture's power over that of its error.
    - ``spacing``: log of the distance [Å] between neighbouring columns.
    - ``order``: log of how often two vectors between columns are alike, over what random columns give.
    - ``entropy``: mean over the columns of the entropy of their depth, 1 where all depths are as probable.
    - ``presence``: mean log odds of there being a column.
    - ``deepest``: mean probability of the last class.

    After these comes the shape of the rotationally averaged power spectrum: how far each band of
    `shape_frequencies` lies above or below ``fringes``.

    Parameters
    ----------
    counts
        At the network's pixel size.
    reading
        As the network gives it, before any calibration, read with the defaults of `read_depth`.
    pixel_size
        Of the network [Å].
    side
        Of a window [px]: that of the training images.
    """
    sure = reading.where(reading.presence >= _SURE)
    found = [
        _features(counts[part], _inside(sure, part), pixel_size)
        for part in _windows(sure.positions, counts.shape, side)
    ]
    if not found:
        return None
    stacked = np.array(found)
    known = np.isfinite(stacked).any(axis=0)
    middle = np.full(stacked.shape[1], np.nan)
    middle[known] = np.nanmedian(stacked[:, known], axis=0)
    return middle


Window = tuple[slice, slice]


def _windows(positions: Float[np.ndarray, "n 2"], shape: tuple[int, ...], side: int) -> list[Window]:
    """Return windows of a half-overlapping grid that hold columns, those with the most of them first.

    A column counts in the first window that holds it. Windows with less than a third of the columns of the
    first are left out.
    """
    starts = [
        np.unique(np.linspace(0, max(n - side, 0), max(1, -(-2 * n // side) - 1)).astype(int)) for n in shape
    ]
    grid = [(slice(y, y + side), slice(x, x + side)) for y in starts[0] for x in starts[1]]
    free = np.ones(len(positions), dtype=bool)
    chosen: list[Window] = []
    most = FEWEST
    while len(chosen) < _WINDOWS:
        held = [int((_holds(positions, part) & free).sum()) for part in grid]
        best = int(np.argmax(held))
        if held[best] < most:
            break
        most = max(most, held[best] // 3)
        chosen.append(grid[best])
        free &= ~_holds(positions, grid[best])
    return chosen


def _holds(positions: Float[np.ndarray, "n 2"], part: Window) -> Bool[np.ndarray, " n"]:
    start = np.array([axis.start for axis in part])
    stop = np.array([axis.stop for axis in part])
    return np.asarray(((positions >= start) & (positions <= stop - 1)).all(axis=1))


def _inside(reading: Reading, part: Window) -> Reading:
    held = reading.where(_holds(reading.positions, part))
    return Reading(
        positions=held.positions - [axis.start for axis in part],
        presence=held.presence,
        posterior=held.posterior,
    )


def _features(
    counts: Float[np.ndarray, "y x"], reading: Reading, pixel_size: float
) -> Float[np.ndarray, " feature"]:
    """Return the features of one window."""
    mean = float(counts.mean())
    contrast = counts.astype(float) / (mean if mean > 0 else 1.0) - 1.0
    k = frequencies(contrast.shape)
    plain = _power(contrast, window(contrast.shape))
    noise = max(float(plain[k > _FLOOR].mean()), 1e-12)
    near, far = (plain[(k > low) & (k < high)].mean() for low, high in _COLOUR)
    away = _distance(reading.positions, contrast.shape) * pixel_size
    masked = _power(contrast, _around(away))
    level, shape = _profile(masked / noise - 1.0, k / pixel_size, pixel_size)
    elongation, visibility = _motif(contrast, reading.positions, pixel_size)
    spacing, order = _geometry(reading.positions * pixel_size)
    posterior = reading.posterior
    odds = np.log((reading.presence + 1e-3) / (1.001 - reading.presence))
    entropy = -(posterior * np.log(posterior + 1e-12)).sum(1) / np.log(max(posterior.shape[1], 2))
    scalars = [
        np.log10(1.0 / (noise * pixel_size**2)),
        np.log(max(near, 1e-12) / max(far, 1e-12)),
        _growth(contrast),
        level,
        _background(contrast, away > _APART, k / pixel_size, noise),
        elongation,
        visibility,
        spacing,
        order,
        entropy.mean(),
        odds.mean(),
        posterior[:, -1].mean(),
    ]
    return np.concatenate([scalars, shape])


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
    empty[tuple(np.rint(positions).astype(int).T)] = False
    return np.asarray(ndimage.distance_transform_edt(empty))


def _around(away: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
    """Return a smooth window around the columns, which also falls to 0 at the border."""
    height, width = away.shape
    weight = _smooth_step((_REACH[1] - away) / (_REACH[1] - _REACH[0]))
    y, x = (_smooth_step((0.5 + np.minimum(np.arange(n), np.arange(n)[::-1])) / 12.0) for n in away.shape)
    return np.asarray(weight * y[:, None] * x[None] + 1e-6 * np.ones((height, width)))


def _smooth_step(value: np.ndarray) -> np.ndarray:
    cut = np.clip(value, 0.0, 1.0)
    return np.asarray(cut * cut * (3 - 2 * cut))


def _profile(
    excess: Float[np.ndarray, "y x"], k: Float[np.ndarray, "y x"], pixel_size: float
) -> tuple[float, Float[np.ndarray, " band"]]:
    """Return the mean of the rotationally averaged power over the noise, and each band relative to it."""
    edges = shape_frequencies(pixel_size, min(k.shape))
    band = np.digitize(k, edges).ravel() - 1
    valid = (band >= 0) & (band < len(edges) - 1)
    number = np.bincount(band[valid], minlength=len(edges) - 1)
    total = np.bincount(band[valid], excess.ravel()[valid], minlength=len(edges) - 1)
    level = _in_noise(total / np.maximum(number, 1), number)
    middle = (edges[1:] + edges[:-1]) / 2
    fringes = float(level[(middle > _BAND[0]) & (middle < _BAND[1])].mean())
    return fringes, level - fringes


def _in_noise(excess: np.ndarray | float, samples: np.ndarray | float) -> np.ndarray:
    """Return asinh of half the excess of a power over the noise, in units of what noise scatters by.

    Power is exponentially distributed, k and -k are one sample, and the window leaves about half of those.
    """
    return np.asarray(np.arcsinh(excess * np.sqrt(np.maximum(samples, 4) / 4.0) / 2.0))


def _growth(contrast: Float[np.ndarray, "y x"]) -> float:
    """Return the variance of the noise per intensity: its slope, over what it is where the contrast is 0.

    The square of what lies at high frequencies, where there is noise only, is regressed on the image at low
    frequencies.
    """
    from scipy import fft

    k = frequencies(contrast.shape)
    transformed = fft.fft2(contrast - contrast.mean(), workers=1)
    noise = fft.ifft2(transformed * (k > _FLOOR), workers=1).real ** 2
    smooth = fft.ifft2(transformed * np.exp(-2 * (np.pi * _SMOOTH * k) ** 2) * (k < 0.3), workers=1).real
    spread = float(np.mean(smooth**2)) * float(noise.mean())
    return float(np.mean(smooth * noise)) / spread if spread > 0 else 0.0


def _background(
    contrast: Float[np.ndarray, "y x"],
    outside: Bool[np.ndarray, "y x"],
    k: Float[np.ndarray, "y x"],
    noise: float,
) -> float:
    """Return the power over the noise of what lies away from the columns; NaN where too little does."""
    from scipy import fft

    band = (k >= 0.22) & (k < 0.5)
    samples = outside.sum() * band.mean()
    if samples < 60:
        return float("nan")
    passed = fft.ifft2(fft.fft2(contrast, workers=1) * band, workers=1).real
    excess = float(np.mean(passed[outside] ** 2)) / (noise * band.mean()) - 1.0
    return float(_in_noise(excess, samples))


def _motif(
    contrast: Float[np.ndarray, "y x"], positions: Float[np.ndarray, "n 2"], pixel_size: float
) -> tuple[float, float]:
    """Return elongation and visibility of the mean picture of a column; NaN where too few lie inside."""
    from scipy import ndimage

    half = max(2, round(_MOTIF[2] / pixel_size))
    inner = np.all((positions >= half) & (positions <= np.array(contrast.shape) - 1 - half), axis=1)
    if inner.sum() < FEWEST:
        return float("nan"), float("nan")
    narrow, wide = (ndimage.gaussian_filter(contrast, width / pixel_size) for width in _MOTIF[:2])
    y, x = (part.ravel() for part in np.mgrid[-half : half + 1, -half : half + 1])
    disc = np.hypot(y, x) <= half
    y, x = y[disc], x[disc]
    places = positions[inner]
    pictures = ndimage.map_coordinates(narrow - wide, [places[:, :1] + y, places[:, 1:] + x], order=1)
    mean = pictures.mean(0)
    mean = mean - mean.mean()
    error = float(pictures.var(0).sum()) / len(places)
    weight = np.abs(mean) * (y**2 + x**2)
    elongation = np.abs(np.sum(np.sign(mean) * weight * np.exp(2j * np.arctan2(y, x)))) / max(
        weight.sum(), 1e-12
    )
    return float(elongation), float(np.log(max(np.sum(mean**2), 1e-12) / max(error, 1e-12)))


def _geometry(places: Float[np.ndarray, "n 2"]) -> tuple[float, float]:
    """Return log of the spacing [Å], and log of the order; both from columns alone."""
    from scipy.spatial import cKDTree

    tree = cKDTree(places)
    nearest = tree.query(places, k=5)[0][:, 1:]
    rough = float(np.median(nearest[:, :2]))
    alike = nearest[np.abs(nearest / rough - 1) < 0.2]
    reach, same = _PAIRS
    pairs = tree.query_pairs(reach, output_type="ndarray")
    vectors = places[pairs[:, 1]] - places[pairs[:, 0]]
    cloud = cKDTree(np.concatenate([vectors, -vectors]))
    number = 2 * len(vectors)
    close = int(cloud.count_neighbors(cloud, same)) - number
    expected = max(number, 1) ** 2 * (same / reach) ** 2
    return float(np.log(alike.mean() if len(alike) else rough)), float(np.log((close + 1) / expected))
