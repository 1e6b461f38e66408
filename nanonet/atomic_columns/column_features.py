"""What the columns of a window are like: their mean picture, how they lie, how surely they were read."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nanonet.atomic_columns.readout import Reading

_FEWEST = 6  # columns that make a mean picture
_NARROW, _WIDE = 0.35, 1.6  # Å: the widths of the band-pass that columns are looked at through
_HALF = 1.5  # Å: radius of a column's picture
_ALIKE = 0.2  # distances that differ from the median by less are between neighbours
_REACH, _SAME = 9.0, 0.5  # Å: vectors between columns up to this length are alike within that


def motif(
    contrast: Float[np.ndarray, "y x"], positions: Float[np.ndarray, "n 2"], pixel_size: float
) -> tuple[float, float]:
    """Return elongation and visibility of the mean picture of a column; NaN where too few lie inside.

    The elongation is the second angular harmonic of the picture, weighted by the squared radius. The
    visibility is the log of its power over that of its standard error.
    """
    from scipy import ndimage

    half = max(2, round(_HALF / pixel_size))
    inner = np.all((positions >= half) & (positions <= np.array(contrast.shape) - 1 - half), axis=1)
    if inner.sum() < _FEWEST:
        return float("nan"), float("nan")
    narrow, wide = (ndimage.gaussian_filter(contrast, width / pixel_size) for width in (_NARROW, _WIDE))
    y, x = (part.ravel() for part in np.mgrid[-half : half + 1, -half : half + 1])
    disc = np.hypot(y, x) <= half
    y, x = y[disc], x[disc]
    places = positions[inner]
    pictures = ndimage.map_coordinates(narrow - wide, [places[:, :1] + y, places[:, 1:] + x], order=1)
    mean = pictures.mean(0) - pictures.mean()
    error = float(pictures.var(0).sum()) / len(places)
    weight = mean * (y**2 + x**2)
    harmonic = np.abs(np.sum(weight * np.exp(2j * np.arctan2(y, x))))
    elongation = float(harmonic / max(np.abs(weight).sum(), 1e-12))
    return elongation, float(np.log(max(np.sum(mean**2), 1e-12) / max(error, 1e-12)))


def geometry(places: Float[np.ndarray, "n 2"]) -> tuple[float, float]:
    """Return log of the spacing of columns, and log of their order.

    The spacing is the mean of the distances to the four nearest columns that are about as long as the median
    to the two nearest. The order is how many pairs of vectors between columns are alike, over what would be
    by chance.

    Parameters
    ----------
    places
        (n, 2) [Å], at least two.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(places)
    nearest = tree.query(places, k=min(5, len(places)))[0][:, 1:]
    middle = float(np.median(nearest[:, :2]))
    alike = nearest[np.abs(nearest / middle - 1) < _ALIKE]
    pairs = tree.query_pairs(_REACH, output_type="ndarray")
    vectors = places[pairs[:, 1]] - places[pairs[:, 0]]
    cloud = cKDTree(np.concatenate([vectors, -vectors]))
    number = 2 * len(vectors)
    close = int(cloud.count_neighbors(cloud, _SAME)) - number
    expected = max(number, 1) ** 2 * (_SAME / _REACH) ** 2
    spacing = float(alike.mean()) if len(alike) else middle
    return float(np.log(spacing)), float(np.log((close + 1) / expected))


def certainty(reading: Reading) -> tuple[float, float, float]:
    """Return entropy of the depths, log odds of presence, and probability of the last class: column means."""
    posterior = reading.posterior
    entropy = -(posterior * np.log(posterior + 1e-12)).sum(1) / np.log(max(posterior.shape[1], 2))
    odds = np.log((reading.presence + 1e-3) / (1.001 - reading.presence))
    return float(entropy.mean()), float(odds.mean()), float(posterior[:, -1].mean())
