"""Calibrating a trained network: what it reads in images of known truth, and whether that comes true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from nanonet.atomic_columns.calibrate import (
    calibrated,
    calibrated_presence,
    first_half,
    fit_calibration,
    interval_level,
)
from nanonet.atomic_columns.dose import counted_dose
from nanonet.atomic_columns.fusion import intensity_evidence
from nanonet.atomic_columns.readout import Reading, narrowest_interval, read_columns
from nanonet.data.column_depth import ColumnDepthDataset
from nanonet.metrics.calibration import FAR_OUT, calibration_error_estimate, coverage_estimate, reliability
from nanonet.metrics.columns import match_columns
from nanonet.records import ADDS_UP, ColumnSample, Estimate, InputError, Micrograph, TrainedNetwork
from nanonet.records.calibration import Calibration, ReadColumns

_FIRST_EPOCH = 1
"""Of the dataset that images are drawn from: those of epoch 0 have chosen the best weights."""
_NOTHING = 1e-3
"""e/Å²: of an image in which nothing was counted."""
_GROUPS_A_DECADE = 2
"""Of doses, whose calibration is told apart."""


@dataclass(frozen=True, kw_only=True)
class JudgedColumns:
    """Columns as they are reported to a user, and whether they are true.

    Parameters
    ----------
    read
        With calibrated probabilities.
    confidence
        (n,) that there is a column of just the most probable depth.
    right
        (n,) whether that is so.
    covered
        (n,) whether the true depth lies inside its interval; meaningless where there is no column.
    """

    read: ReadColumns
    confidence: Float[np.ndarray, " n"]
    right: Bool[np.ndarray, " n"]
    covered: Bool[np.ndarray, " n"]

    def take(self, which: Bool[np.ndarray, " n"]) -> JudgedColumns:
        """Return some of them."""
        parts = (getattr(self, name) for name in ("confidence", "right", "covered"))
        confidence, right, covered = (part[which] for part in parts)
        return JudgedColumns(read=self.read.take(which), confidence=confidence, right=right, covered=covered)

    def estimates(self) -> tuple[Estimate, Estimate]:
        """Return ``calibration_error`` of the confidence, and ``coverage`` of true columns' intervals."""
        particle, real = self.read.particle, self.read.depth > 0
        return (
            calibration_error_estimate(self.confidence, self.right, particle),
            coverage_estimate(self.covered[real], particle[real]),
        )


def calibration_estimates(read: ReadColumns) -> tuple[Estimate, ...]:
    """Return calibration error and coverage after calibration: of all readings, then of each range of doses.

    Each reading is judged with a calibration that its particle had no part in.
    """
    judged = cross_judged(read)
    found = list(judged.estimates())
    for group in by_dose(judged):
        low, high = np.quantile(group.read.dose, [FAR_OUT, 1 - FAR_OUT])
        found += [
            replace(estimate, name=f"{estimate.name} at {low:.0f} to {high:.0f} e/Å²")
            for estimate in group.estimates()
        ]
    return tuple(found)


def calibrate(read: ReadColumns) -> Calibration:
    """Return the calibration of a network from its readings, with what came true of others."""
    judged = cross_judged(read)
    found = (reliability(part.confidence, part.right, part.read.dose) for part in by_dose(judged))
    return replace(fit_calibration(read), reliability=tuple(found))


def judge(read: ReadColumns, calibration: Calibration | None, min_probability: float = 0.5) -> JudgedColumns:
    """Return what is reported of readings, with a calibration or without, and whether it is true.

    Columns less probable than ``min_probability`` are not reported.
    """
    if calibration is not None:
        read = replace(
            read,
            posterior=calibrated(read.posterior, read.dose, calibration, read.evidence),
            presence=calibrated_presence(read.presence, read.dose, calibration),
        )
    read = read.take(read.presence >= min_probability)
    covered = np.zeros(len(read), dtype=bool)
    for dose in np.unique(read.dose):
        own = read.dose == dose
        level = {} if calibration is None else {"level": interval_level(float(dose), calibration)}
        low, high = narrowest_interval(read.posterior[own], **level)
        covered[own] = (low <= read.depth[own]) & (read.depth[own] <= high)
    return JudgedColumns(
        read=read,
        confidence=read.presence * read.posterior.max(1),
        right=read.posterior.argmax(1) + 1 == read.depth,
        covered=covered,
    )


def cross_judged(read: ReadColumns) -> JudgedColumns:
    """Return readings judged with a calibration of the other half of the particles, each half in turn.

    Where one half is the easier one, the errors of the two are opposite and partly cancel: the intervals over
    particles say what that may hide.
    """
    first = first_half(read.particle)
    parts = [judge(read.take(half), fit_calibration(read.take(~half))) for half in (first, ~first)]
    return JudgedColumns(
        read=_joined([part.read for part in parts]),
        confidence=np.concatenate([part.confidence for part in parts]),
        right=np.concatenate([part.right for part in parts]),
        covered=np.concatenate([part.covered for part in parts]),
    )


def by_dose(judged: JudgedColumns) -> list[JudgedColumns]:
    """Return readings in groups of doses, each half a decade wide or nearly so.

    What lies far out, as a frame does that shows next to nothing, is counted with its neighbours.
    """
    dose = np.log10(judged.read.dose)
    low, high = np.quantile(dose, [FAR_OUT, 1 - FAR_OUT])
    number = max(1, round(_GROUPS_A_DECADE * float(high - low)))
    edges = np.linspace(low, high, number + 1)
    edges[0], edges[-1] = -np.inf, np.inf
    groups = [judged.take((dose >= low) & (dose < high)) for low, high in pairwise(edges)]
    return [group for group in groups if len(group.read)]


def measure_posteriors(
    network: TrainedNetwork,
    dataset: ColumnDepthDataset,
    *,
    epochs: int = 8,
    tolerance: float = 0.5,
    min_probability: float = 0.02,
    min_separation: float = 1.0,
    smoothing: float = 0.3,
    radius: float = 0.6,
) -> ReadColumns:
    """Return the columns that a network finds in drawn images, read as `read_depth` reads a frame.

    Each structure of the dataset is drawn equally often, with all that the sampler draws: noise, optics, and
    a dose that is uniform in its logarithm. The network is told what the dataset tells. The same images are
    drawn every time. A column of more atoms than the network has classes for counts as one of its last class,
    as in training. Readings nearer than ``tolerance`` to the border are left out, since the column that they
    are of may lie beyond it.

    Parameters
    ----------
    network
        For the task "column_depth".
    dataset
        Of structures that the network was not trained on.
    epochs
        How often as many images are drawn as the dataset has in an epoch.
    tolerance
        Distance up to which a reading can be of a true column [Å].
    min_probability
        Least probability of a column by the network: that of all that `read_depth` looks at, not only of what
        it reports.
    min_separation, smoothing, radius
        As in `nanonet.atomic_columns.network.read_depth`.

    Raises
    ------
    InputError
        If the samples have no dose, or another pixel size than the network.
    """
    found = []
    for sample in _drawn(dataset, epochs):
        if abs(sample.pixel_size / network.sampling - 1) > 0.02:
            raise InputError(
                f"the network reads pixels of {network.sampling:g} Å, the images have {sample.pixel_size:g} Å"
            )
        reading = read_columns(
            _probabilities(network, sample),
            smoothing=smoothing / sample.pixel_size,
            separation=min_separation / sample.pixel_size,
            radius=radius / sample.pixel_size,
            min_probability=min_probability,
        )
        found.append(
            _with_truth(
                reading, _evidence(reading, sample, network), sample, _dose(sample, network), tolerance
            )
        )
    return _joined(found)


def _drawn(dataset: ColumnDepthDataset, epochs: int) -> Iterator[ColumnSample]:
    first = _FIRST_EPOCH * len(dataset)
    for index in range(first, first + epochs * len(dataset)):
        sample = dataset.sample(index)
        if "dose" not in sample.settings:
            raise InputError(
                "probabilities are calibrated by dose, and the sampler tells none: add settings['dose']"
            )
        yield sample


def _probabilities(network: TrainedNetwork, sample: ColumnSample) -> Float[np.ndarray, "class y x"]:
    from scipy.special import softmax

    return np.asarray(softmax(network.read(sample.frames, sample.counts_per_atom), axis=0))


def _dose(sample: ColumnSample, network: TrainedNetwork) -> float:
    """Return the dose as `read_depth` will know it: that of the beam, in HAADF that of what was counted."""
    if network.modality not in ADDS_UP:
        return float(sample.settings["dose"])
    frames = sample.frames
    middle = Micrograph(
        image=frames[len(frames) // 2],
        name="drawn",
        pixel_size=sample.pixel_size,
        modality=network.modality,
    )
    return counted_dose(middle) or _NOTHING


def _evidence(
    reading: Reading, sample: ColumnSample, network: TrainedNetwork
) -> Float[np.ndarray, "n depth"]:
    """Return what `read_depth` will know of the depths by the columns' intensity: nothing but in HAADF."""
    if network.modality not in ADDS_UP:
        return np.zeros(reading.posterior.shape)
    return intensity_evidence(
        reading,
        sample.frames[len(sample.frames) // 2],
        pixel_size=sample.pixel_size,
        counts_per_atom=sample.counts_per_atom,
    )


def _with_truth(
    reading: Reading,
    evidence: Float[np.ndarray, "n depth"],
    sample: ColumnSample,
    dose: float,
    tolerance: float,
) -> ReadColumns:
    """Return what was read of a sample, with the true depth of each column."""
    positions = reading.positions * sample.pixel_size
    deepest = reading.posterior.shape[1]
    depth = np.zeros(len(positions), dtype=np.int64)
    pairs = match_columns(positions, sample.positions, tolerance)
    depth[pairs[:, 0]] = np.minimum(sample.depths[pairs[:, 1]], deepest)
    inner = _inside(positions, sample, tolerance)
    n = len(positions)
    return ReadColumns(
        posterior=reading.posterior,
        presence=reading.presence,
        depth=depth,
        dose=np.full(n, dose),
        particle=np.full(n, sample.structure),
        evidence=evidence,
    ).take(inner)


def _inside(
    positions: Float[np.ndarray, "n 2"], sample: ColumnSample, margin: float
) -> Bool[np.ndarray, " n"]:
    last = (np.array(sample.image.shape[-2:]) - 1) * sample.pixel_size
    return np.asarray(((positions >= margin) & (positions <= last - margin)).all(axis=1))


def _joined(parts: list[ReadColumns]) -> ReadColumns:
    names = vars(parts[0])
    return ReadColumns(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
