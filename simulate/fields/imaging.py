"""What every way to image a field has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError, Modality
from simulate.fields.field import MARGIN, FieldTruth


@dataclass(frozen=True, kw_only=True)
class FieldImage:
    """A field as a microscope shows it, before a detector's noise.

    Parameters
    ----------
    intensity
        (y, x) share of the incident beam in every pixel, float32: vacuum is 1 in bright field, 0 in HAADF.
    modality
        How it was recorded.
    settings
        What was drawn: energy [eV], defocus [Å], ... each under its name.
    """

    intensity: Float[np.ndarray, "y x"]
    modality: Modality
    settings: Mapping[str, float] = field(default_factory=dict)


class FieldImaging(Protocol):
    """A way to image fields; its fields are ranges to draw from."""

    def image(self, truth: FieldTruth, rng: np.random.Generator) -> FieldImage:
        """Draw the settings and return the image."""


def require_energies(energies: Sequence[float]) -> None:
    """Raise an `InputError` unless there are energies [eV], all of an electron microscope."""
    if not energies or not all(1e4 <= energy <= 1e6 for energy in energies):
        raise InputError(f"energies must be at least one of 1e4 to 1e6 eV, got {list(energies)}")


def without_margin(canvas: Float[np.ndarray, "v u"]) -> Float[np.ndarray, "y x"]:
    """Return the image proper of one with the margin."""
    return np.ascontiguousarray(canvas[MARGIN:-MARGIN, MARGIN:-MARGIN], dtype=np.float32)
