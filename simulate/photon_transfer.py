"""What a detector makes of electrons, measured as one measures detectors: by its mean and variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from simulate.imaging import Setting

_FLAT = 512  # edge of the flat fields [px]
_BLOCK = 4  # px: the edge of sums whose variance is taken


@dataclass(frozen=True, kw_only=True)
class DetectorNoise:
    """What a detector makes of electrons: gain · (counts - dark) + floor has the law of Poisson.

    Its mean is efficiency · electrons + floor, and so is its variance.
    """

    gain: float
    dark: float
    efficiency: float
    floor: float


def measured_detector(setting: Setting, level: float) -> DetectorNoise:
    """Measure the photon transfer of a detector: mean and variance of counts without and with a flat beam.

    The variance is that of sums of 4 x 4 pixels, a pixel: where a detector correlates its noise, that is what
    stands against the signal of a column.

    Parameters
    ----------
    level
        Electrons a pixel of the beam.
    """
    import torch

    dark, lit = (
        setting.record(torch.full((_FLAT, _FLAT), electrons), np.random.default_rng([0, index])).astype(float)
        for index, electrons in enumerate((0.0, level))
    )
    response = (lit.mean() - dark.mean()) / level
    noise = (_variance(lit) - _variance(dark)) / level
    gain = float(response / noise)
    return DetectorNoise(
        gain=gain, dark=float(dark.mean()), efficiency=gain * float(response), floor=gain**2 * _variance(dark)
    )


def _variance(flat: Float[np.ndarray, "y x"]) -> float:
    blocks = flat.reshape(_FLAT // _BLOCK, _BLOCK, _FLAT // _BLOCK, _BLOCK).sum(axis=(1, 3))
    return float(blocks.var()) / _BLOCK**2
