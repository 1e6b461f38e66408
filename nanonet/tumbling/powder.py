"""The powder pattern of a tumbling particle: the mean power of its frames, which needs no orientation.

Seen from everywhere, the squared transforms of a particle's projections average to that of the particle over
all directions, its powder pattern (Debye, Ann. Phys. 351, 809 (1915)), on top of the noise's power. Where its
lines stand tells the lattice constant; how they fall off, how wide atoms look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.spatial.distance import pdist

from nanonet.records import InputError
from nanonet.tumbling.boxes import Boxes

_AT_ONCE = 200
_COARSEST = 3.0
"""Å of the coarsest waves that are looked at: below are shape and background."""
_STRETCH = 0.06
"""By how much the lattice may differ from that in bulk."""
_STEP = 0.002
_FINEST = 0.05
"""Width of the classes that distances are counted in [Å]."""
_SEEN = 5.0
"""Deviations by which the lines have to be seen."""


@dataclass(frozen=True, kw_only=True)
class Powder:
    """What the lines tell.

    Parameters
    ----------
    stretch
        Of the lattice over that of the sites, and its standard deviation.
    u_iso
        Variance of an atom's picture along a direction [Å²].
    frequency, power, fitted
        (k,) 1/Å; mean power less that of the noise, over its standard deviation; and what was fitted to it.
    """

    stretch: float
    stretch_error: float
    u_iso: float
    frequency: Float[np.ndarray, " k"]
    power: Float[np.ndarray, " k"]
    fitted: Float[np.ndarray, " k"]


def powder(
    boxes: Boxes, sites: Float[np.ndarray, "n 3"], share: Float[np.ndarray, " n"], *, finest: float
) -> Powder:
    """Return the lattice's stretch and the width of atoms that fit the mean power of pictures best.

    Parameters
    ----------
    sites
        Of the crystal in bulk, from the centre [Å].
    share
        Of each that is filled.
    finest
        Å of the finest waves that are looked at.

    Raises
    ------
    InputError
        If no line is seen: the pictures show another crystal, another pixel size or no crystal.
    """
    frequency, mean, error = _mean_power(boxes, finest)
    shell = frequency * boxes.side * boxes.pixel_size
    noise = np.interp(shell, np.arange(len(boxes.noise)), boxes.noise) / boxes.noise.mean()
    distances, weights = _distances(sites, share)
    own = float((share**2).sum() + (share * (1 - share)).sum())

    def pattern(stretch: float) -> Float[np.ndarray, " k"]:
        phase = 2 * frequency[:, None] * distances * stretch
        return np.asarray(own + 2 * (np.sinc(phase) * weights).sum(1))

    def fit(stretch: float, u_iso: float) -> tuple[float, Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """Return what remains, in squared deviations, the fitted lines, and what the power has of them."""
        lines = pattern(stretch) * np.exp(-4 * np.pi**2 * u_iso * frequency**2)
        columns = np.stack([lines, noise, np.ones_like(lines)], axis=1) / error[:, None]
        found, *_ = np.linalg.lstsq(columns, mean / error, rcond=None)
        left = mean / error - columns @ found  # brightness, noise and diffuse scattering are linear
        return float(left @ left), columns[:, 0] * found[0], columns[:, 0] * found[0] + left

    tried = np.arange(1 - _STRETCH, 1 + _STRETCH + _STEP / 2, _STEP)
    widths = (0.1, 0.2, 0.4)
    first = min((fit(s, u)[0], s, u) for s in tried for u in widths)
    flat = np.stack([noise, np.ones_like(noise)], axis=1) / error[:, None]
    alone, *_ = np.linalg.lstsq(flat, mean / error, rcond=None)
    nothing = float(((mean / error - flat @ alone) ** 2).sum())
    scale = max(first[0] / len(frequency), 1.0)
    if nothing - first[0] < _SEEN**2 * scale:
        raise InputError(
            "the frames' mean power shows no lines of this crystal: check element=, structure= and the "
            "pixel size"
        )
    if min(abs(first[1] - tried[0]), abs(first[1] - tried[-1])) < _STEP / 2:
        raise InputError(
            f"the lattice of the particle differs from that in bulk by {100 * (first[1] - 1):+.0f} % or "
            "more: check lattice_constant= and the pixel size"
        )
    best = least_squares(
        lambda p: np.sqrt(fit(p[0], p[1])[0]),
        np.array(first[1:]),
        bounds=([first[1] - 2 * _STEP, 0.02], [first[1] + 2 * _STEP, 1.5]),
        x_scale=[_STEP, 0.05],
    )
    stretch, u_iso = map(float, best.x)
    _, lines, seen = fit(stretch, u_iso)
    near = [fit(stretch + side * _STEP, u_iso)[0] for side in (-1, 0, 1)]
    bend = max(near[0] - 2 * near[1] + near[2], 1e-12) / _STEP**2
    return Powder(
        stretch=stretch,
        stretch_error=float(np.sqrt(2 * scale / bend)),
        u_iso=u_iso,
        frequency=frequency,
        power=seen,
        fitted=lines,
    )


def _mean_power(
    boxes: Boxes, finest: float
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Return spatial frequencies [1/Å], half a cycle a side apart, the mean power there and its error."""
    width = boxes.side * boxes.pixel_size
    highest = min(int(width / finest), (boxes.side - 1) // 2)
    total = square = 0.0
    for start in range(0, len(boxes), _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, len(boxes)))
        some = boxes.spectra(rows, boxes.side / 2 - 3, highest)
        power = some.values.abs().square().double().numpy()
        total, square = total + power.sum(0), square + (power**2).sum(0)
    length = some.frequencies.norm(dim=1).double().numpy()
    bin_of = np.round(2 * length).astype(int)
    first = int(np.ceil(2 * width / _COARSEST))
    index = np.arange(first, 2 * highest)
    number = np.bincount(bin_of, minlength=2 * highest + 1)[index]
    mean = np.bincount(bin_of, total, minlength=2 * highest + 1)[index] / number / len(boxes)
    variance = np.maximum(square / len(boxes) - (total / len(boxes)) ** 2, 0.0)
    spread = np.bincount(bin_of, variance, minlength=2 * highest + 1)[index] / number
    # Values half a cycle apart hold a quarter as much news in two dimensions.
    error = np.sqrt(4 * spread / (number * len(boxes)))
    return index / (2 * width), mean, error


def _distances(
    sites: Float[np.ndarray, "n 3"], share: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
    """Return the distances between sites, in classes, and how often each comes: the product of the shares."""
    kept = share > 0.02
    apart = pdist(sites[kept])
    first, second = np.triu_indices(int(kept.sum()), 1)
    both = share[kept][first] * share[kept][second]
    number = np.round(apart / _FINEST).astype(int)
    weight = np.bincount(number, both)
    middle = np.bincount(number, both * apart)
    there = weight > 0
    return middle[there] / weight[there], weight[there]
