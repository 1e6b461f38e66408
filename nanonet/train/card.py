"""The card of a trained network: what it learnt from, how it was tested, what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nanonet.records import Calibration, Estimate, Familiarity, Modality, ParticleConfidence

UNITS = {
    "dose": "e/Å²",
    "energy": "eV",
    "defocus": "Å",
    "focal_spread": "Å",
    "Cs": "Å",
    "C5": "Å",
    "C30": "Å",
    "astigmatism": "Å",
    "astigmatism_angle": "rad",
    "coma": "Å",
    "coma_angle": "rad",
    "angular_spread": "mrad",
    "pixel_size": "Å",
    "support_thickness": "Å",
    "vibration": "Å",
    "drift": "Å",
    "tilt": "°",
    "mistilt": "°",
    "depth": "atoms",
}


@dataclass(frozen=True, kw_only=True)
class NetworkCard:
    """What a network is for, and how good it is.

    Parameters
    ----------
    task
        "column_depth" or another that a pipeline asks for.
    pixel_size
        [Å] of the images it was trained on; None for any.
    modality
        How they were recorded, None where that is not known.
    trained_range
        Lowest and highest value of each setting in training.
    metrics
        Its headline numbers, on structures that it was not trained on.
    meaning
        What these numbers are, in words.
    limits
        What it must not be used for: one case a line.
    training
        What it was trained on, in words: one fact a line.
    calibration
        What makes its probabilities come true; None where that was not measured.
    told_calibration
        The same where it was told the counts an atom.
    familiarity
        What the frames of its training are like; None where that was not measured.
    confidence
        How far the particles that it finds are to be believed; None where it finds none.
    """

    task: str
    pixel_size: float | None
    modality: Modality | None = None
    trained_range: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    metrics: Sequence[Estimate] = ()
    meaning: str = ""
    limits: Sequence[str] = ()
    training: Sequence[str] = ()
    calibration: Calibration | None = None
    told_calibration: Calibration | None = None
    familiarity: Familiarity | None = None
    confidence: ParticleConfidence | None = None


def render(card: NetworkCard) -> str:
    """Return the card as Markdown."""
    return "\n".join(
        [
            f"# A network for {card.task.replace('_', ' ')}",
            "",
            "## Trained on",
            *(f"- {fact}" for fact in card.training),
            f"- {card.modality or 'images of unknown modality'}, {_pixels(card.pixel_size)}",
            *(f"- {_range(setting, ends)}" for setting, ends in card.trained_range.items()),
            "",
            "## Tested",
            "On images of structures that it was not trained on. They come from the same source and span the "
            "same ranges, and the best epoch was chosen on them: on other images expect less.",
            "",
            "| measure | value | 90 % interval | |",
            "|---|---|---|---|",
            *(_row(estimate) for estimate in card.metrics),
            "",
            card.meaning,
            "",
            "## Not to be used for",
            *(f"- {case}" for case in card.limits),
            "",
        ]
    )


def _pixels(pixel_size: float | None) -> str:
    return "pixels of any size" if pixel_size is None else f"pixels of {pixel_size:g} Å"


def _range(setting: str, ends: tuple[float, float]) -> str:
    low, high = ends
    unit = UNITS.get(setting, "")
    values = f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
    return f"{setting}: {values} {unit}".rstrip()


def _row(estimate: Estimate) -> str:
    known = estimate.low is not None and estimate.high is not None
    interval = f"{estimate.low:.3f} to {estimate.high:.3f}" if known else ""
    return f"| {estimate.name} | {estimate.value:.3f} | {interval} | {estimate.note} |"
