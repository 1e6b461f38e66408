"""What the measured intensity of each column says of its depth, in the light of what a network thinks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanonet.atomic_columns.readout import Reading
from nanonet.atomic_columns.volumes import Volumes, measure_volumes

_SURE = 0.5  # least probability of a column whose intensity is measured
_WIDTHS = (0.3, 1.0)  # Å, of the image of a column in a STEM
_FEWEST = 6  # columns that a scale can be learnt from
_OUTLIERS = 0.02
_DRAWN_ON = 3.0  # atoms within which channelling sets in
_SINGLE = np.geomspace(0.62, 1.6, 45)  # of the first guess
_CHANNELLING = np.linspace(0.0, 1.2, 7)
_USUAL = (0.45, 0.35)  # channelling of heavy fcc metals, and its spread
_SCATTER = (0.08, 0.2)
_TOLD = 0.07  # relative error of the counts an atom that are told, and of the sum of the volumes
_INDEPENDENT = 5.0  # as many columns say what all of a frame do, since the network errs alike in all of them
_ENOUGH = 600  # columns to weigh scales by
_LEAST = 1e-4  # weight of a scale


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
        Standard deviation of the volume of an atom in a column beyond noise, in single atoms.
    """

    single: float
    channelling: float
    scatter: float

    def volume(self, depth: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
        """Return the expected volumes of depths [counts]."""
        drawn_on = 1 - np.exp(-(depth - 1) / _DRAWN_ON)
        return np.asarray(self.single * depth * (1 + self.channelling * drawn_on))

    def likelihood(self, volumes: Volumes, depth: Float[np.ndarray, " d"]) -> Float[np.ndarray, "n d"]:
        """Return the likelihood of each column's volume for each depth; a few say nothing of it."""
        variance = volumes.errors[:, None] ** 2 + (self.scatter * self.single) ** 2 * depth
        off = volumes.values[:, None] - self.volume(depth)
        density = np.exp(-(off**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
        anywhere = 1 / max(float(np.ptp(volumes.values)), 1e-12)
        return np.asarray((1 - _OUTLIERS) * density + _OUTLIERS * anywhere)


def intensity_evidence(
    reading: Reading,
    image: Float[np.ndarray, "y x"],
    *,
    pixel_size: float,
    counts_per_atom: float | None = None,
) -> Float[np.ndarray, "n d"]:
    """Return the log likelihood of every depth by what the columns add to an image; see `depth_evidence`.

    Parameters
    ----------
    reading
        As the network gives it, before any calibration. Of columns that it thinks improbable nothing is said.
    image
        That it has read, where intensity adds up, as in HAADF.
    pixel_size
        Å.
    counts_per_atom
        What an atom adds to the sum of its pixels, if that is known.
    """
    sure = reading.presence >= _SURE
    columns = reading.where(sure)
    widths = (_WIDTHS[0] / pixel_size, _WIDTHS[1] / pixel_size)
    evidence = np.zeros(reading.posterior.shape)
    volumes = measure_volumes(image, columns.positions, widths=widths)
    evidence[sure] = depth_evidence(columns, volumes, counts_per_atom)[0]
    return evidence


def depth_evidence(
    reading: Reading, volumes: Volumes, counts_per_atom: float | None = None
) -> tuple[Float[np.ndarray, "n d"], Scale | None]:
    """Return the log likelihood of every depth by each column's volume, and the likeliest scale.

    A network knows roughly how deep each column is, at any dose, and not how bright an atom is in this very
    frame; the volumes know that, once the network has said which is which. So scales are weighed by how
    likely they make the volumes of all columns, with the network's posteriors as the prior of each: the
    mixture model of Van Aert et al. (Phys. Rev. B 87 (2013) 064107) with a prior of its own for every column,
    which settles the offset that mixtures leave open. The likelihood of a depth is the mean over scales.

    The network errs alike in all columns of a frame. So they count as few, and many scales stay possible,
    unless it is known how bright an atom is.

    Parameters
    ----------
    reading
        Of the network.
    volumes
        Of the same columns.
    counts_per_atom
        What an atom adds to the sum of the pixels in the mean, if that is known.

    Returns
    -------
    tuple
        (n, D), up to a constant of each column, 0 everywhere where there are too few columns to learn a scale
        from; and the scale, None then.
    """
    nothing = np.zeros(reading.posterior.shape)
    if len(reading.positions) < _FEWEST or reading.posterior.shape[1] < 2:
        return nothing, None
    prior = np.maximum(reading.posterior, 1e-6)
    prior /= prior.sum(axis=1, keepdims=True)
    depth = np.arange(1, prior.shape[1] + 1.0)
    usual = Scale(single=1.0, channelling=_USUAL[0], scatter=0.0)
    first = float(np.median(volumes.values / usual.volume(prior @ depth)))
    atoms = float((prior @ depth).sum())
    if counts_per_atom is not None and volumes.absolute:
        atoms = float(volumes.values.sum()) / counts_per_atom
    # Where noise is all there is, sums may be negative.
    if not (first > 0 and atoms > 0):
        return nothing, None
    first *= float((prior @ depth).sum()) / atoms
    scales = list(_scales(first))
    some = slice(None, None, -(-len(prior) // _ENOUGH))
    fewer = Volumes(values=volumes.values[some], errors=volumes.errors[some], width=volumes.width)
    part = atoms * float((prior[some] @ depth).sum() / (prior @ depth).sum())
    weights = np.array(
        [
            _evidence(prior[some], fewer, scale, depth, None if counts_per_atom is None else part)
            for scale in scales
        ]
    )
    weights = np.exp(weights - weights.max())
    weights /= weights.sum()
    mean = np.zeros(prior.shape)
    for weight, scale in zip(weights, scales, strict=True):
        if weight > _LEAST:
            mean += weight * scale.likelihood(volumes, depth)
    best = np.maximum(mean.max(axis=1, keepdims=True), np.finfo(float).tiny)
    return np.log(np.maximum(mean / best, np.finfo(float).tiny)), scales[int(weights.argmax())]


def _scales(first: float) -> Iterator[Scale]:
    for single in first * _SINGLE:
        for channelling in _CHANNELLING:
            for scatter in _SCATTER:
                yield Scale(single=float(single), channelling=float(channelling), scatter=scatter)


def _evidence(
    prior: Float[np.ndarray, "n d"],
    volumes: Volumes,
    scale: Scale,
    depth: Float[np.ndarray, " d"],
    atoms: float | None,
) -> float:
    """Return the log probability of a scale, with what is known of channelling and of the number of atoms."""
    known = ((scale.channelling - _USUAL[0]) / _USUAL[1]) ** 2
    joint = prior * scale.likelihood(volumes, depth)
    likelihood = joint.sum(axis=1)
    if atoms is not None:
        known += (np.log(float((joint @ depth / likelihood).sum()) / atoms) / _TOLD) ** 2
    independent = min(1.0, _INDEPENDENT / len(prior))
    return float(independent * np.log(likelihood).sum() - 0.5 * known)
