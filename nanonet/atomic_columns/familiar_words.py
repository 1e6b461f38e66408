"""What is unusual about a frame, in words that lead a microscopist to the cause."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nanonet.atomic_columns.frame_features import NAMES
from nanonet.atomic_columns.image_features import shape_edges
from nanonet.atomic_columns.normal_scores import medians
from nanonet.records.familiarity import Familiarity

_TELLING = 3.0  # least normal score that a feature is named for
_ANY = 40.0  # % off a spacing is that of no lattice, but of columns that were found anyhow

_SAYS = {
    "noise_colour": (
        "the noise is stronger at high frequencies than the training's: was the image sharpened?",
        "the noise is weaker at high frequencies than the training's: was the image filtered, binned or "
        "resampled, or taken with another kind of camera?",
    ),
    "noise_growth": (
        "the noise does not grow with the intensity as that of counts does: was the contrast inverted, or a "
        "background or offset subtracted?",
        "the noise grows faster with the intensity than that of counts: another camera, or was the image "
        "processed?",
    ),
    "fringes": (
        "the lattice is fainter than any of the training at this noise: drift, mistilt, or out of focus?",
        "the lattice is stronger than any of the training at this noise: a thicker or heavier crystal, or "
        "was the contrast stretched or filtered?",
    ),
    "background": (
        "the background is smoother than the training's: was it filtered?",
        "there is structure where no columns were found, more than in the training: a support film, another "
        "crystal, or missed columns?",
    ),
    "elongation": (
        "columns are rounder than the training's",
        "columns are elongated, more than in the training: drift, mistilt or astigmatism?",
    ),
    "visibility": (
        "columns differ among each other more than the training's: are they columns?",
        "columns are more alike than the training's: was the image averaged or filtered?",
    ),
    "order": (
        "the columns that were found lie less regularly than the training's: another zone axis, defects, or "
        "no crystal?",
        "the columns that were found lie more regularly than the training's: another crystal?",
    ),
    "entropy": (
        "the network is surer of the depths than it ever was in training at this noise: do not trust it",
        "the network is less sure of the depths than it was in training at this noise",
    ),
    "presence": (
        "the network is less sure that there are columns than it was in training at this noise",
        "the network is surer that there are columns than it was in training at this noise",
    ),
    "deepest": (
        "fewer columns than in training are read as the deepest class",
        "more columns than in training are read as the deepest class: is the crystal thicker than it can "
        "tell?",
    ),
}
_SHAPE_SAYS = {
    4.0: (
        "variations over more than 4 Å are weaker than the training's: was a background subtracted?",
        "beside the lattice there are stronger variations over more than 4 Å than in the training: a support "
        "film, contamination, another focus, or a lattice blurred by drift or vibration?",
    ),
    1.8: (
        "fringes of the training's spacings are missing: are pixel size, crystal and zone axis those of the "
        "network, and is it in focus?",
        "there are fringes of other spacings than in the training: are pixel size, crystal and zone axis "
        "those of the network, and is it in focus?",
    ),
    0.0: (
        "detail finer than 1.8 Å is weaker than the training's: drift, vibration, focus, or the camera's "
        "transfer?",
        "detail finer than 1.8 Å is stronger than the training's: another focus, or was the image sharpened?",
    ),
}
"""Of the shape of the spectrum, from each spacing [Å] on: said where it is too weak, and too strong."""
_LATTICE = ("background", "fringes", "elongation")
_GROUPS = (
    ("noise_colour",),
    ("noise_growth",),
    ("spacing",),
    _LATTICE,
    ("visibility", "order"),
    ("entropy", "presence", "deepest"),
)
"""What is odd in a later group may follow from what is odd in an earlier one."""
_WHOLE = "the frame as a whole is unlike those of the training, though no one thing stands out"


def oddity(
    features: Float[np.ndarray, " feature"],
    scores: Float[np.ndarray, " f"],
    familiarity: Familiarity,
    pixel_size: float,
) -> str:
    """Return in words what is odd: of what may follow from each other, what comes first.

    Parameters
    ----------
    features
        Of the frame, from `frame_features`.
    scores
        Their normal scores, without that of the dose.
    familiarity
        The network's.
    pixel_size
        The network's [Å].
    """
    by_name = dict(zip(NAMES[1:], scores, strict=False))
    shape = scores[len(NAMES) - 1 :]
    for group in _GROUPS:
        name = max(group, key=lambda name: abs(by_name[name]))
        score = by_name[name]
        if name == "spacing" and by_name["order"] < -max(_TELLING, abs(score)):
            continue  # columns that lie anyhow have no spacing
        band = int(np.argmax(np.abs(shape)))
        if group is _LATTICE and abs(shape[band]) > max(_TELLING, abs(score)):
            return _shape_line(band, bool(shape[band] > 0), familiarity.side, pixel_size)
        if abs(score) > _TELLING:
            return _spacing_line(features, familiarity) if name == "spacing" else _SAYS[name][int(score > 0)]
    return _WHOLE


def _spacing_line(features: Float[np.ndarray, " feature"], familiarity: Familiarity) -> str:
    typical = medians(features[:1], familiarity.log_dose, familiarity.features)[0]
    place = NAMES.index("spacing")
    percent = 100 * (np.exp(features[place] - typical[place - 1]) - 1)
    if abs(percent) > _ANY:
        return _SAYS["order"][0]
    return (
        f"columns lie {abs(percent):.0f} % {'farther apart' if percent > 0 else 'closer together'} than the "
        "training's: is the pixel size right, and are crystal and zone axis those of the network?"
    )


def _shape_line(band: int, strong: bool, side: int, pixel_size: float) -> str:
    low, high = shape_edges(pixel_size, side)[[band, band + 1]]
    spacing = 2 / (low + high)
    for least, said in _SHAPE_SAYS.items():
        if spacing >= least:
            return said[int(strong)]
    raise ValueError(f"a band of the spectrum must lie at a positive spacing, got {spacing} Å")
