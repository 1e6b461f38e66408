"""What of the agreement of two masked maps is the mask's own: from maps of random phases beyond a shell.

A mask around both maps makes them agree wherever it has structure. Maps whose phases were drawn by chance
beyond a shell share nothing there but the mask: what they still agree is taken off (Chen et al.,
Ultramicroscopy 135, 24 (2013)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float

from nanonet.reconstruct.shell_correlation import shell_correlation, shells
from nanonet.records import ShellCorrelation

_SURE = 0.8
"""Correlation of maps without a mask from below which on phases are drawn by chance."""
_EDGE = 2
"""Shells beyond the first random one that a mask blurs it into (RELION: Scheres 2012)."""


@dataclass(frozen=True, kw_only=True)
class MaskedAgreement:
    """How two maps agree within a mask.

    Parameters
    ----------
    fsc
        Without the mask's part: (masked - randomised) / (1 - randomised) beyond where phases are random.
    masked
        As it is within the mask.
    randomised
        Of the same maps with random phases: what the mask alone does.
    """

    fsc: ShellCorrelation
    masked: ShellCorrelation
    randomised: ShellCorrelation


def masked_agreement(
    one: Float[np.ndarray, "n n n"],
    other: Float[np.ndarray, "n n n"],
    mask: Float[np.ndarray, "n n n"],
    voxel_size: float,
    rng: np.random.Generator,
) -> MaskedAgreement:
    """Return how two maps agree within a mask, and without the mask's part (Chen et al. 2013, eq. 4).

    Parameters
    ----------
    voxel_size
        Å.
    """
    plain = shell_correlation(one, other, voxel_size)
    masked = shell_correlation(one * mask, other * mask, voxel_size)
    # Entry i of a curve is of shell i + 1.
    below = np.flatnonzero(plain.correlation < _SURE)
    first = int(below[0]) + 1 if len(below) else len(plain.correlation) + 1
    random = [randomised(each, first, rng) * mask for each in (one, other)]
    alone = shell_correlation(random[0], random[1], voxel_size)
    share = np.minimum(alone.correlation, 1 - 1e-6)
    true = masked.correlation.copy()
    beyond = np.arange(1, len(true) + 1) >= first + _EDGE
    true[beyond] = ((masked.correlation - share) / (1 - share))[beyond]
    return MaskedAgreement(fsc=replace(masked, correlation=true), masked=masked, randomised=alone)


def randomised(
    density: Float[np.ndarray, "n n n"], first: int, rng: np.random.Generator
) -> Float[np.ndarray, "n n n"]:
    """Return a map of the same amplitudes whose phases are chance from a shell on [cycles a side]."""
    n = density.shape[0]
    transform = torch.fft.rfftn(torch.as_tensor(np.asarray(density, dtype=np.float32)))
    # The phases of a map of noise are those of a real map.
    noise = torch.fft.rfftn(torch.as_tensor(rng.standard_normal((n, n, n), dtype=np.float32)))
    drawn = torch.polar(transform.abs(), noise.angle())
    mixed = torch.where(shells(n) >= first, drawn, transform)
    return np.asarray(torch.fft.irfftn(mixed, s=(n, n, n)).numpy())
