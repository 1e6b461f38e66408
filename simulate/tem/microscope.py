"""Transmission microscopes: the ranges that the settings of lens and camera are drawn from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from nanonet.records import InputError
from simulate.camera.camera import Camera
from simulate.camera.detector import Detector, expose
from simulate.ranges import Range, drawn, limits, log_drawn, require_range
from simulate.tem.optics import Optics
from simulate.view import View, Window, random_view

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A drawn setting of lens and camera."""

    optics: Optics
    detector: Detector

    @property
    def pixel_size(self) -> float:
        """At the specimen [Å]."""
        return self.detector.pixel_size

    @property
    def dose(self) -> float:
        """In one frame [e/Å²]."""
        return self.detector.dose

    def values(self) -> dict[str, float]:
        """Return what was drawn, each under its name: dose [e/Å²], defocus [Å], ..."""
        lens = {f.name: getattr(self.optics, f.name) for f in fields(self.optics)}
        drawn = {name: float(value) for name, value in lens.items() if value is not None}
        return {**drawn, **self.detector.values()}

    def view(
        self, side: float, shape: tuple[int, int], rng: np.random.Generator, window: Window | None = None
    ) -> View:
        """Draw where in a square box of edge ``side`` [Å], or in a window of it, the image lies."""
        return random_view(side, self.pixel_size, shape, rng, window)

    def record(self, expected: torch.Tensor, rng: np.random.Generator) -> np.ndarray:
        """Return the image (y, x), float32, that the camera gives."""
        return self.detector.record(expected, rng)


@dataclass(frozen=True, kw_only=True)
class Microscope:
    """A TEM; the defaults are those of a corrected microscope at 300 kV with a counting camera.

    Each setting is a number, or a pair [lowest, highest] from which it is drawn uniformly; the dose
    uniformly in its logarithm. Directions of astigmatism, coma and drift are always random.

    Parameters
    ----------
    defocus
        Å from the middle of the box, positive = underfocus.
    Cs, C5
        Spherical aberration of third and fifth order, C30 and C50 [Å].
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
    motion
        Way of the specimen during a frame by drift [Å].
    mtf_nyquist
        Modulation transfer at Nyquist's frequency of an ideal counting camera, where ``camera`` is None.
    camera
        Its measured transfer and noise.
    rate
        Electrons a pixel within one readout of a counting ``camera``: it misses some that coincide.
    pixel_size
        At the specimen [Å].
    dose
        e/Å² in one frame.
    energy
        Beam energy [eV] that images must have been calculated for; None for any.
    """

    defocus: Range = (40.0, 60.0)
    Cs: Range = -9e4
    C5: Range = 0.0
    astigmatism: Range = (0.0, 10.0)
    coma: Range = (0.0, 300.0)
    focal_spread: Range = (20.0, 30.0)
    angular_spread: Range = 0.1
    aperture: float | None = None
    vibration: Range = (0.15, 0.3)
    motion: Range = 0.0
    mtf_nyquist: Range = (0.4, 2 / np.pi)
    camera: Camera | None = None
    rate: Range = 0.0
    pixel_size: Range = 0.25
    dose: Range = (1000.0, 5000.0)
    energy: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name not in ("aperture", "camera", "energy"):
                low = None if field.name in ("pixel_size", "dose", "mtf_nyquist") else -np.inf
                require_range(field.name, getattr(self, field.name), low=low)

    def range_of(self, name: str) -> tuple[float, float]:
        """Return the lowest and the highest value of a setting."""
        return limits(getattr(self, name))

    def draw(self, energy: float, rng: np.random.Generator) -> Setting:
        """Draw a setting for a beam of an energy [eV].

        Raises
        ------
        InputError
            If the microscope has another energy.
        """
        if self.energy is not None and abs(self.energy - energy) > 0.01 * energy:
            raise InputError(
                f"the microscope has {self.energy:g} eV, the simulation was made for {energy:g} eV: "
                f"simulate with imaging.multislice.energy={self.energy:g}"
            )
        angles = rng.uniform(0, 2 * np.pi, 3)
        optics = Optics(
            energy=energy,
            defocus=drawn(self.defocus, rng),
            Cs=drawn(self.Cs, rng),
            C5=drawn(self.C5, rng),
            astigmatism=drawn(self.astigmatism, rng),
            astigmatism_angle=float(angles[0]),
            coma=drawn(self.coma, rng),
            coma_angle=float(angles[1]),
            focal_spread=drawn(self.focal_spread, rng),
            angular_spread=drawn(self.angular_spread, rng),
            aperture=self.aperture,
        )
        return Setting(optics=optics, detector=self._detector(float(angles[2]), rng))

    def _detector(self, direction: float, rng: np.random.Generator) -> Detector:
        pixel_size, dose = drawn(self.pixel_size, rng), log_drawn(self.dose, rng)
        vibration, way = drawn(self.vibration, rng), drawn(self.motion, rng)
        mtf_nyquist = drawn(self.mtf_nyquist, rng)
        motion = (way * float(np.sin(direction)), way * float(np.cos(direction))) if way else None
        if self.camera is not None:
            return expose(
                self.camera,
                pixel_size,
                dose,
                vibration,
                motion=motion,
                rate=drawn(self.rate, rng),
                # A sensor of its own each time: a network must not learn one pattern of gain.
                sensor=int(rng.integers(2**31)),
            )
        return Detector(
            pixel_size=pixel_size, dose=dose, mtf_nyquist=mtf_nyquist, vibration=vibration, motion=motion
        )
