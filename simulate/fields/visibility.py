"""Which particles of a field an image shows at its dose: the others cannot be learnt."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

ROSE = 5.0
"""Standard deviations that a feature must stand out by (Rose, J. Opt. Soc. Am. 38, 196 (1948))."""
_RING = 4
"""Pixels around a particle that it is compared with."""
_GRAIN = 8.0
"""Pixels over which the grain of a support is alike."""


def visible(
    electrons: Float[np.ndarray, "y x"], labels: Int[np.ndarray, "y x"], readout: float = 0.0
) -> Bool[np.ndarray, " label"]:
    """Return which particles differ from what is around them, by Rose's criterion.

    The mean over a particle's pixels is compared with that of the pixels around it that no particle covers,
    or of all of those where it has none. Its noise is that of counting and of the detector, and what the
    support's grain leaves in the mean of as many pixels.

    Parameters
    ----------
    electrons
        (y, x) expected in each pixel.
    labels
        (y, x) the particle on every pixel, 0 for none.
    readout
        Standard deviation of the detector's noise [electrons].

    Returns
    -------
    visible
        Of each label, 0 included, which counts as seen.
    """
    from scipy.ndimage import binary_dilation, find_objects

    found = np.ones(int(labels.max(initial=0)) + 1, dtype=bool)
    beside = labels == 0
    far = electrons[beside] if beside.any() else electrons.ravel()
    for label, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        around = tuple(slice(max(part.start - _RING, 0), part.stop + _RING) for part in box)
        own, image = labels[around] == label, electrons[around]
        ring = image[binary_dilation(own, iterations=_RING) & beside[around]]
        ground = ring if len(ring) >= _RING else far
        area = float(own.sum())
        counting = float(image[own].mean()) + readout**2
        variance = (counting + _GRAIN * float(ground.var())) / min(area, float(len(ground)))
        found[label] = abs(float(image[own].mean() - ground.mean())) >= ROSE * np.sqrt(max(variance, 1e-12))
    return found
