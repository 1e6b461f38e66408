"""Read the depth of every atomic column of a frame with a trained network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from nanonet.atomic_columns.align import aligned
from nanonet.atomic_columns.calibrate import calibrated, calibrated_presence, interval_level
from nanonet.atomic_columns.depth_reading import column_reading
from nanonet.atomic_columns.dose import counted_dose, noise_equivalent_dose
from nanonet.atomic_columns.familiar import familiarity_warning
from nanonet.atomic_columns.fusion import intensity_evidence
from nanonet.atomic_columns.range import range_warnings
from nanonet.atomic_columns.readout import LEVEL, Reading, read_columns
from nanonet.atomic_columns.table import frame_table
from nanonet.records import (
    ADDS_UP,
    Calibration,
    FrameResult,
    InputError,
    Micrograph,
    TrainedNetwork,
)

_TASK = "column_depth"
_CANDIDATE = 0.02  # least probability of what may be a column in the light of other frames
_SAME = 0.02  # relative difference of pixel sizes that is not worth an interpolation of the noise
_ROWS = 16  # of the logits at a time: they stay in the processor's cache
_UNSCALED = (
    "how bright an atom is was not told, and a noisy image does not show it: all depths may be off by one "
    "factor; give columns.counts_per_atom if it is known"
)
_FINE = np.float32(256)  # steps to 1 in maps


def read_depth(
    micrograph: Micrograph,
    *,
    network: TrainedNetwork,
    min_probability: float = 0.5,
    min_separation: float = 1.0,
    smoothing: float = 0.3,
    radius: float = 0.6,
    max_drift: float = 4.0,
    intensity: bool = True,
    counts_per_atom: float | None = None,
) -> FrameResult:
    """Find the columns of one frame and the number of atoms in each.

    The frame is resampled to the network's pixel size; where the network reads frames in a row, so are those
    before and after it, and they are laid onto it (`nanonet.atomic_columns.align`). Each column's pixels are
    pooled into a distribution over its depth (`read_columns`): ``depth`` is its mode, ``depth_mean`` its
    mean, ``depth_low`` and ``depth_high`` the narrowest range that holds 90 % of it, ``confidence`` the
    probability of the mode times that of there being a column.

    Parameters
    ----------
    micrograph
        The frame, with its pixel size.
    network
        A network for the task "column_depth".
    min_probability
        Least probability of a column.
    min_separation
        Of two columns nearer than this the less probable is dropped [Å].
    smoothing
        Standard deviation that the column probability is smoothed with before its maxima are sought [Å].
    radius
        Standard deviation of the weights that the pixels of a column are pooled with [Å].
    max_drift
        Largest shift along each axis of the frames that are read together against the one in the middle [Å].
    intensity
        Whether measured intensities sharpen the depths where intensity adds up, as in HAADF
        (`nanonet.atomic_columns.fusion`), by as much as the network's calibration lets them.
    counts_per_atom
        What an atom adds to the sum of the frame's pixels, in the mean over all atoms, where that is known:
        from a detector that is calibrated and a simulated cross-section, or from columns of known depth. A
        single noisy HAADF frame does not tell it, and depths go with it.

    Returns
    -------
    FrameResult
        The columns; what is known of the frame; the probabilities of every depth of these columns and of less
        probable ones; the maps "depth"
        (mean depth, 0 in the background) and "confidence" (probability of the most probable class) at the
        size of the frame; a warning for each way in which the frame is unlike those of the training.

    Raises
    ------
    InputError
        If the network is for another task, the pixel size is unknown, a length is not positive, or the image
        holds NaN.
    """
    _check(micrograph, network, min_probability)
    lengths = {
        "min_separation": min_separation,
        "smoothing": smoothing,
        "radius": radius,
        "max_drift": max_drift,
    }
    for name, length in lengths.items():
        if not (np.isfinite(length) and length > 0):
            raise InputError(f"columns.{name} must be positive, got {length} Å")
    if counts_per_atom is not None and not (np.isfinite(counts_per_atom) and counts_per_atom > 0):
        raise InputError(f"columns.counts_per_atom must be positive, got {counts_per_atom}")
    pixel_size = micrograph.pixel_size or network.sampling
    step = _step(pixel_size, network.sampling)
    sampled = pixel_size * step
    frames = [resampled(frame.image, step) for frame in micrograph.around(network.frames // 2)]
    counts, _ = aligned(np.stack(frames, dtype=np.float32), max_shift=max_drift / sampled)
    told = None if counts_per_atom is None else counts_per_atom / step**2
    probabilities = _softmax(network.read(counts, told))
    reading = read_columns(
        probabilities,
        smoothing=smoothing / sampled,
        separation=min_separation / sampled,
        radius=radius / sampled,
        min_probability=_CANDIDATE,
    )
    # Few files tell how they were recorded: the network's way is taken then.
    recorded = replace(micrograph, modality=micrograph.modality or network.modality)
    noise_dose = noise_equivalent_dose(recorded)
    dose = counted_dose(recorded) if recorded.modality in ADDS_UP else micrograph.dose or noise_dose
    chance, unlike = _unlike(reading, counts[len(counts) // 2], network)
    evidence = None
    if intensity and network.modality in ADDS_UP:
        evidence = intensity_evidence(
            reading, counts[len(counts) // 2], pixel_size=sampled, counts_per_atom=told
        )
    reading, level = _believed(reading, dose, network.calibrated(told=told is not None), evidence)
    placed = replace(reading, positions=reading.positions * step)
    columns, candidates = column_reading(placed, micrograph, min_probability=min_probability, level=level)
    unscaled = (_UNSCALED,) if network.takes_counts_per_atom and told is None else ()
    warnings = (*range_warnings(micrograph, network, noise_dose), *unlike, *unscaled)
    judged = frame_table(micrograph.frame, dose=dose, chance=chance, warnings=warnings)
    return FrameResult(
        frame=micrograph.frame,
        tables=(columns, judged, candidates),
        maps=_maps(probabilities, micrograph.image.shape, step),
        warnings=warnings,
    )


def _check(micrograph: Micrograph, network: TrainedNetwork, min_probability: float) -> None:
    if network.task != _TASK:
        raise InputError(f"{network.name} is a network for {network.task}, columns need one for {_TASK}")
    if micrograph.pixel_size is None:
        raise InputError(
            f"{micrograph.name} has no pixel size, and {network.name} needs one: "
            "give it as read.pixel_size=0.2 (Å)"
        )
    if not 0 < min_probability < 1:
        raise InputError(f"columns.min_probability must be between 0 and 1, got {min_probability}")
    if not np.all(np.isfinite(micrograph.image)):
        raise InputError(f"frame {micrograph.frame} of {micrograph.name} holds NaN or infinite intensities")


def _step(pixel_size: float, wanted: float) -> float:
    """Return how many pixels of the frame one of the network's is: 1 where they are about the same."""
    step = wanted / pixel_size
    return 1.0 if abs(step - 1) < _SAME else step


def resampled(image: Float[np.ndarray, "y x"], step: float) -> Float[np.ndarray, "v u"]:
    """Return an image sampled every ``step`` pixels from the centre of its first pixel on.

    Towards larger pixels it is smoothed first, so that nothing is aliased; the intensity scale is kept.
    """
    from scipy import ndimage

    if step == 1.0:
        return image
    values = image.astype(np.float32)
    if step > 1:
        values = ndimage.gaussian_filter(values, 0.5 * np.sqrt(step**2 - 1), mode="nearest")
    shape = tuple(int((n - 1) / step) + 1 for n in image.shape)
    order = 1 if step > 1 else 3
    sampled = ndimage.affine_transform(
        values, [step, step], output_shape=shape, order=order, mode="nearest", output=np.float32
    )
    return np.asarray(np.maximum(sampled, values.min()))  # a spline overshoots, counts are not negative


def _believed(
    reading: Reading,
    dose: float | None,
    calibration: Calibration | None,
    evidence: Float[np.ndarray, "n depth"] | None,
) -> tuple[Reading, float]:
    """Return a reading whose probabilities come true, and what its intervals have to hold."""
    if calibration is None:
        return reading, LEVEL
    presence = calibrated_presence(reading.presence, dose, calibration)
    posterior = calibrated(reading.posterior, dose, calibration, evidence)
    return replace(reading, presence=presence, posterior=posterior), interval_level(dose, calibration)


def _unlike(
    reading: Reading, counts: Float[np.ndarray, "y x"], network: TrainedNetwork
) -> tuple[float | None, tuple[str, ...]]:
    """Return the chance of so unusual a frame in training, and in what it is unusual."""
    if network.familiarity is None:
        return None, ()
    chance, line = familiarity_warning(
        counts, reading, pixel_size=network.sampling, familiarity=network.familiarity
    )
    return chance, () if line is None else (line,)


def _softmax(logits: Float[np.ndarray, "class y x"]) -> Float[np.ndarray, "class y x"]:
    found = np.empty_like(logits)
    for first in range(0, logits.shape[1], _ROWS):
        rows = slice(first, first + _ROWS)
        part = np.subtract(logits[:, rows], logits[:, rows].max(0), out=found[:, rows])
        np.exp(part, out=part)
        part /= part.sum(0)
    return found


def _maps(
    probabilities: Float[np.ndarray, "class y x"], shape: tuple[int, ...], step: float
) -> dict[str, Float[np.ndarray, "y x"]]:
    """Return mean depth and confidence of each pixel of the frame, to 1/256.

    Finer digits say nothing, and compressing them takes longer than reading the frame.
    """
    from scipy import ndimage

    depth = np.tensordot(np.arange(len(probabilities), dtype=np.float32), probabilities, axes=1)
    maps = {"depth": depth, "confidence": probabilities.max(0)}
    if step != 1.0:
        maps = {
            name: ndimage.affine_transform(
                values, [1 / step, 1 / step], output_shape=shape, order=1, mode="nearest"
            )
            for name, values in maps.items()
        }
    return {name: np.asarray(np.rint(values * _FINE) / _FINE, np.float32) for name, values in maps.items()}
