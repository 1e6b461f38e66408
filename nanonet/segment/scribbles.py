"""Particles after a few strokes: a random forest learns from what was scribbled over one image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32

from nanonet.io import read_series
from nanonet.records import InputError, LabelMap, Micrograph
from nanonet.segment.separation import Foreground, Separation
from nanonet.segment.specks import without_specks
from nanonet.segment.watershed import separate as by_watershed

_SIGMAS = (1.0, 8.0)
"""Finest and coarsest Gaussian of the features [px], a factor of 2 from one to the next."""
_TREES, _DEPTH = 60, 12
_MOST = 20_000
"""Pixels of each kind that are learnt from."""
_PURE = 100
"""Levels of 255 by which a colour must exceed the two others, so that soft brushes' edges do not count."""
_ROWS = 128
_SMALLEST_NM, _SMALLEST_PX = 0.5, 4.0


@dataclass(frozen=True, kw_only=True)
class Forest:
    """A random forest that has learnt what is particle, in whatever library's form."""

    classifier: Any

    def probability(self, image: Float[np.ndarray, "y x"]) -> Float32[np.ndarray, "y x"]:
        """Return the chance of every pixel to be in a particle."""
        values = features(image)
        parts = [
            self.classifier.predict_proba(rows.reshape(-1, rows.shape[-1]))[:, 1].reshape(rows.shape[:2])
            for rows in np.array_split(values, max(1, len(values) // _ROWS))
        ]
        return np.concatenate(parts).astype(np.float32)


def segment(
    micrograph: Micrograph,
    *,
    forest: Forest,
    separate: Separation = by_watershed,
    min_probability: float = 0.5,
    smallest: float | None = None,
) -> LabelMap:
    """Return the particles of a micrograph, by a forest that has learnt from strokes on one of its kind.

    Parameters
    ----------
    forest
        Of `learn`.
    separate
        How touching particles are told apart, a variant of the config group ``separate``.
    min_probability
        Least probability of a pixel to be in a particle.
    smallest
        Equivalent diameter below which specks and holes are removed, in nm (px where the frame has no pixel
        size); None takes 0.5 nm or 4 px.

    Returns
    -------
    LabelMap
        ``confidence`` is the mean probability of a particle's pixels.

    Raises
    ------
    InputError
        If the probability is not in 0..1, or the length is negative.
    """
    if not 0 <= min_probability <= 1:
        raise InputError(f"segment.min_probability must be in 0..1, got {min_probability}")
    probability = forest.probability(micrograph.image)
    foreground = Foreground(mask=probability >= min_probability, pixel_size=micrograph.pixel_size)
    least = foreground.length("segment.smallest", smallest, nm=_SMALLEST_NM, px=_SMALLEST_PX)
    mask = without_specks(foreground.mask, least)
    parts = separate(Foreground(mask=mask, pixel_size=micrograph.pixel_size, smallest=least))
    number = len(parts.separated)
    area = np.bincount(parts.labels.ravel(), minlength=number + 1)[1:]
    inside = np.bincount(parts.labels.ravel(), probability.ravel(), minlength=number + 1)[1:]
    dropped = np.count_nonzero(mask & (parts.labels == 0))
    return LabelMap(
        labels=parts.labels.astype(np.int32),
        separated=parts.separated,
        confidence=np.where(parts.flagged, 0.0, inside / np.maximum(area, 1)),
        unresolved=float(dropped + area[parts.flagged].sum()) / mask.size,
    )


def learn(scribbles: str | Path, image: str | Path) -> Forest:
    """Return a random forest that tells particles from what is beside them.

    As in the trainable segmentation of ParticleSpy (Slater et al., 2020) and of others before it
    (Arganda-Carreras et al., Bioinformatics 33 (2017) 2424): each pixel is described by `features`.

    Parameters
    ----------
    scribbles
        A colour picture of the size of the image, as a rule a copy of it: red strokes over particles, blue
        ones beside them. What else is in it does not matter.
    image
        The image that was drawn on; of a movie, its first frame.

    Raises
    ------
    InputError
        If the picture cannot be read, is of another size, or lacks red or blue strokes.
    """
    from sklearn.ensemble import RandomForestClassifier

    drawn_on = next(iter(read_series(image, pixel_size="px"))).image
    red, blue = strokes(Path(scribbles), drawn_on.shape)
    described, rng = features(drawn_on), np.random.default_rng(0)
    rows = [_some(described[where], rng) for where in (blue, red)]
    kind = np.repeat([0, 1], [len(part) for part in rows])
    classifier = RandomForestClassifier(
        n_estimators=_TREES, max_depth=_DEPTH, class_weight="balanced", random_state=0
    )
    classifier.fit(np.concatenate(rows), kind)
    return Forest(classifier=classifier)


def strokes(path: Path, shape: tuple[int, ...]) -> tuple[Bool[np.ndarray, "y x"], Bool[np.ndarray, "y x"]]:
    """Return where a picture is red, and where blue."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            colours = np.asarray(picture.convert("RGB"), dtype=np.int16)
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"the scribbles {path} cannot be read: give a png with red and blue") from error
    if colours.shape[:2] != tuple(shape):
        raise InputError(
            f"the scribbles {path.name} have {colours.shape[:2]} pixels, the image has {tuple(shape)}: "
            "draw on a copy of the image, of the same size"
        )
    found = []
    for channel, name, where in ((0, "red", "over particles"), (2, "blue", "beside particles")):
        others = np.delete(colours, channel, axis=2).max(axis=2)
        marked = colours[..., channel] - others > _PURE
        if not marked.any():
            raise InputError(f"the scribbles {path.name} have no {name} strokes: draw some {where}")
        found.append(marked)
    return found[0], found[1]


def features(image: Float[np.ndarray, "y x"]) -> Float32[np.ndarray, "y x f"]:
    """Return what each pixel looks like at scales from 1 to 8 px: intensity, edges, curvatures.

    The image is taken relative to its median and standard deviation, so that exposure does not matter.
    """
    from skimage.feature import multiscale_basic_features

    good = np.isfinite(image)
    values = np.where(good, image, np.median(image[good]) if good.any() else 0.0).astype(np.float32)
    values = (values - np.median(values)) / max(float(values.std()), 1e-12)
    low, high = _SIGMAS
    found = multiscale_basic_features(values, sigma_min=low, sigma_max=high)
    return np.asarray(found, np.float32)


def _some(rows: Float32[np.ndarray, "n f"], rng: np.random.Generator) -> Float32[np.ndarray, "m f"]:
    return rows if len(rows) <= _MOST else rows[rng.choice(len(rows), _MOST, replace=False)]
