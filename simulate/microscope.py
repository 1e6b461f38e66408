"""Microscopes: the ranges that the settings of lens and camera are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from nanonet.records import InputError
from simulate.detector import Detector
from simulate.optics import Optics

Range = float | Sequence[float]
"""A setting that stands still, or its lowest and highest value."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A drawn setting of lens and camera."""

    optics: Optics
    detector: Detector

    def values(self) -> dict[str, float]:
        """Return what was drawn, each under its name: dose [e/Å²], defocus [Å], ..."""
        lens = {f.name: getattr(self.optics, f.name) for f in fields(self.optics)}
        camera = {f.name: getattr(self.detector, f.name) for f in fields(self.detector)}
        return {name: float(value) for name, value in {**lens, **camera}.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Microscope:
    """A TEM; the defaults are those of a corrected microscope at 300 kV with a counting camera.

    Each setting is a number, or a pair [lowest, highest] from which it is drawn uniformly; the dose
    uniformly in its logarithm. Directions of astigmatism and coma are always random.

    Parameters
    ----------
    defocus
        Å from the middle of the particle, positive = underfocus.
    Cs
        C30 [Å].
    astigmatism, coma
        C12 and C21 [Å].
    focal_spread
        Standard deviation of the defocus [Å].
    angular_spread
        Standard deviation of the illumination's angles along one axis [mrad].
    aperture
        Semi-angle of the objective aperture [mrad]; None for none.
    vibration
        Standard deviation along one axis of the motion within a frame [Å].
    mtf_nyquist
        Modulation transfer of the camera at Nyquist's frequency.
    pixel_size
        At the specimen [Å].
    dose
        e/Å² in one frame.
    """

    defocus: Range = (40.0, 60.0)
    Cs: Range = -9e4
    astigmatism: Range = (0.0, 10.0)
    coma: Range = (0.0, 300.0)
    focal_spread: Range = (20.0, 30.0)
    angular_spread: Range = 0.1
    aperture: float | None = None
    vibration: Range = (0.15, 0.3)
    mtf_nyquist: Range = (0.4, 2 / np.pi)
    pixel_size: Range = 0.25
    dose: Range = (1000.0, 5000.0)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and field.name != "aperture":
                _require_range(field.name, value)
        for name in ("pixel_size", "dose", "mtf_nyquist"):
            if not self.range_of(name)[0] > 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)}")

    def range_of(self, name: str) -> tuple[float, float]:
        """Return the lowest and the highest value of a setting."""
        value = getattr(self, name)
        return (float(value), float(value)) if isinstance(value, (int, float)) else (value[0], value[1])

    def draw(self, energy: float, rng: np.random.Generator) -> Setting:
        """Draw a setting for a beam of an energy [eV]."""
        value = {
            name: float(rng.uniform(*self.range_of(name)))
            for name in (f.name for f in fields(self))
            if name not in ("aperture", "dose")
        }
        angles = rng.uniform(0, 2 * np.pi, 2)
        optics = Optics(
            energy=energy,
            defocus=value["defocus"],
            Cs=value["Cs"],
            astigmatism=value["astigmatism"],
            astigmatism_angle=float(angles[0]),
            coma=value["coma"],
            coma_angle=float(angles[1]),
            focal_spread=value["focal_spread"],
            angular_spread=value["angular_spread"],
            aperture=self.aperture,
        )
        detector = Detector(
            pixel_size=value["pixel_size"],
            dose=float(np.exp(rng.uniform(*np.log(self.range_of("dose"))))),
            mtf_nyquist=value["mtf_nyquist"],
            vibration=value["vibration"],
        )
        return Setting(optics=optics, detector=detector)


def _require_range(name: str, value: Range) -> None:
    if isinstance(value, (int, float)):
        return
    if len(value) != 2 or not value[0] <= value[1]:
        raise InputError(f"{name} must be a number or [lowest, highest], got {value}")
