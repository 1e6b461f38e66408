"""What a network thinks of a column's depth, and what its measured intensity says, put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanonet.atomic_columns.readout import Reading
from nanonet.atomic_columns.volumes import Volumes

_FEWEST = 6  # columns that a scale can be learnt from
_OUTLIERS = 0.02
_DRAWN_ON = 3.0  # atoms within which channelling sets in
_SINGLE = np.geomspace(0.6, 1.6, 61)  # of the first guess
_CHANNELLING = np.linspace(0.0, 1.2, 9)
_USUAL = (0.5, 0.4)  # channelling of heavy fcc metals, and its spread
_TOTAL = 0.02  # relative error of the number of atoms in all columns
_SCATTER = np.array([0.08, 0.16, 0.32])
_ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How a column's volume goes with its depth d: single · d · (1 + channelling · (1 - exp(-(d - 1) / 3))).

    Parameters
    ----------
    single
        Volume of a single atom [counts].
    channelling
        By how much more an atom of a deep column scatters than one alone: the beam is drawn onto the column.
    scatter
        Standard deviation of the volumes of columns of one depth beyond noise, in single atoms.
    """

    single: float
    channelling: float
    scatter: float

    def volume(self, depth: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
        """Return the expected volumes of depths [counts]."""
        drawn_on = 1 - np.exp(-(depth - 1) / _DRAWN_ON)
        return np.asarray(self.single * depth * (1 + self.channelling * drawn_on))


def fuse(
    reading: Reading, volumes: Volumes, *, weight: float = 1.0, scaled: bool = False
) -> tuple[Reading, Scale | None]:
    """Return the reading with posteriors that the volumes sharpen, and the scale that was learnt.

    The network knows roughly how deep each column is, at any dose, and not how bright an atom is in this very
    frame; the volumes know that, once the network has said which is which. So the scale is what makes the
    volumes of all columns of the frame likeliest, with the network's posteriors as the prior of each column:
    where counts are few the network decides, where they are many the volumes do. It is the mixture model of
    Van Aert et al. (Phys. Rev. B 87 (2013) 064107) with a prior of its own for every column, which settles
    the offset that mixtures leave open.

    Parameters
    ----------
    reading
        Of the network.
    volumes
        Of the same columns.
    weight
        Exponent of the volumes' likelihood: below 1 for a network that has used the intensity itself.
    scaled
        Whether the network was told how bright an atom is: its number of atoms in all columns together is
        then right, which the volumes must not change by more than some percent.
    """
    if len(reading.positions) < _FEWEST or reading.posterior.shape[1] < 2:
        return reading, None
    prior = np.maximum(reading.posterior, 1e-6)
    prior /= prior.sum(axis=1, keepdims=True)
    depth = np.arange(1, prior.shape[1] + 1.0)
    first = float(
        np.median(
            volumes.values / Scale(single=1.0, channelling=_USUAL[0], scatter=0.0).volume(prior @ depth)
        )
    )
    if not first > 0:
        return reading, None
    atoms = float((prior @ depth).sum()) if scaled else None
    scale = _likeliest(prior, volumes, first, atoms)
    posterior = prior * _density(volumes, scale, depth) ** weight
    posterior /= posterior.sum(axis=1, keepdims=True)
    return Reading(positions=reading.positions, presence=reading.presence, posterior=posterior), scale


def _likeliest(prior: Float[np.ndarray, "n d"], volumes: Volumes, first: float, atoms: float | None) -> Scale:
    """Return the scale of the highest likelihood, by a search over a grid that is refined twice."""
    depth = np.arange(1, prior.shape[1] + 1.0)
    best = Scale(single=first, channelling=_USUAL[0], scatter=float(_SCATTER[1]))
    for finer in range(_ROUNDS):
        shrink = 0.25**finer
        tried = [
            Scale(single=float(single), channelling=float(channelling), scatter=float(scatter))
            for single in best.single * _SINGLE**shrink
            for channelling in np.clip(
                (_CHANNELLING if not finer else best.channelling + shrink * (_CHANNELLING - 0.6)), 0.0, 1.5
            )
            for scatter in (_SCATTER if not finer else best.scatter * np.array([0.8, 1.0, 1.25]))
        ]
        evidence = [_evidence(prior, volumes, scale, depth, atoms) for scale in tried]
        best = tried[int(np.argmax(evidence))]
    return best


def _evidence(
    prior: Float[np.ndarray, "n d"],
    volumes: Volumes,
    scale: Scale,
    depth: Float[np.ndarray, " d"],
    atoms: float | None,
) -> float:
    """Return the log likelihood of a scale, with what is known of channelling and of the number of atoms."""
    known = ((scale.channelling - _USUAL[0]) / _USUAL[1]) ** 2
    joint = prior * _density(volumes, scale, depth)
    likelihood = joint.sum(axis=1)
    if atoms is not None:
        known += (np.log(float((joint @ depth / likelihood).sum()) / atoms) / _TOTAL) ** 2
    return float(np.log(likelihood).sum() - 0.5 * known)


def _density(volumes: Volumes, scale: Scale, depth: Float[np.ndarray, " d"]) -> Float[np.ndarray, "n d"]:
    """Return the likelihood of each column's volume for each depth; a few say nothing of it."""
    variance = volumes.errors[:, None] ** 2 + (scale.scatter * scale.single) ** 2
    off = volumes.values[:, None] - scale.volume(depth)
    density = np.exp(-(off**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    anywhere = 1 / max(float(np.ptp(volumes.values)), 1e-12)
    return np.asarray((1 - _OUTLIERS) * density + _OUTLIERS * anywhere)
