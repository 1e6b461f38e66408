"""Scanning microscopes: the ranges that settings of probe, scan and detector are drawn from."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

from nanonet.records import InputError
from simulate.ranges import Range, drawn, limits, log_drawn, require_range
from simulate.stem.probe import Probe
from simulate.stem.scan import ScanNoise, record_scan
from simulate.view import View, Window, put

if TYPE_CHECKING:
    import torch

_PROBE = ("semiangle_cutoff", "defocus", "Cs", "astigmatism", "coma", "focal_spread", "source_size")
_LOGARITHMIC = ("dose", "dwell")
_SIGNED = ("defocus", "Cs")
_POSITIVE = ("semiangle_cutoff", "pixel_size", "dose")


@dataclass(frozen=True, kw_only=True)
class ScanSetting:
    """A drawn setting of probe, scan and detector.

    Parameters
    ----------
    pixel_size
        At the specimen [Å].
    dose
        e/Å² in one frame, of the beam.
    drift
        (y, x) velocity of the specimen [Å/s].
    turned
        Whether images lie at any angle to the box: a STEM turns its scan freely. Else at multiples of 90°.
    """

    probe: Probe
    pixel_size: float
    dose: float
    noise: ScanNoise = field(default_factory=ScanNoise)
    drift: tuple[float, float] = (0.0, 0.0)
    turned: bool = True

    def __post_init__(self) -> None:
        for name, unit in (("pixel_size", "Å"), ("dose", "e/Å²")):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)} {unit}")

    def values(self) -> dict[str, float]:
        """Return what was drawn, each under its name: dose [e/Å²], defocus [Å], ..."""
        own = {
            "pixel_size": self.pixel_size,
            "dose": self.dose,
            "drift_y": self.drift[0],
            "drift_x": self.drift[1],
        }
        parts = (self.probe, self.noise)
        return {**own, **{f.name: float(getattr(part, f.name)) for part in parts for f in fields(part)}}

    def view(
        self, side: float, shape: tuple[int, int], rng: np.random.Generator, window: Window | None = None
    ) -> View:
        """Draw where in a square box of edge ``side`` [Å], or in a window of it, the image lies.

        It is turned, mirrored, and sheared by drift. Images that are smaller than the box lie within it as
        far as they fit, larger ones have it near their middle, within 2 Å.
        """
        angle = rng.uniform(0, 2 * np.pi) if self.turned else rng.integers(4) * np.pi / 2
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        axes = self.sheared(turn @ np.diag([1.0, -1.0 if rng.integers(2) else 1.0]), shape)
        return put(axes, side, self.pixel_size, shape, rng, window)

    def sheared(self, axes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Return the steps of a scan across a specimen that drifts: it moves on while the beam goes to the
        next pixel, and more so to the next line.
        """  # noqa: D205 - one sentence
        times = np.array([self.noise.line_time(shape[1]), self.noise.dwell])
        moved = axes - np.outer(self.drift, times) / self.pixel_size
        if not np.linalg.det(moved) * np.linalg.det(axes) > 0.5:
            raise InputError(
                f"drift must be slow beside the scan, got {np.hypot(*self.drift):.3g} Å/s at "
                f"{times[0]:.3g} s a line of {self.pixel_size:.3g} Å"
            )
        return np.asarray(moved)

    def record(self, expected: torch.Tensor, rng: np.random.Generator) -> np.ndarray:
        """Return the image (y, x), float32, of an expected one [electrons a pixel]."""
        return record_scan(expected, self.noise, self.pixel_size, rng)


@dataclass(frozen=True, kw_only=True)
class ScanningMicroscope:
    """A STEM with an annular detector; the defaults are those of a probe-corrected one at 200 kV.

    Each setting is a number, or a pair [lowest, highest] from which it is drawn uniformly; dose and dwell
    uniformly in their logarithm. Directions of astigmatism, coma and drift are always random.

    Parameters
    ----------
    energy
        Beam energy [eV] that the settings are for; None for any.
    semiangle_cutoff, defocus, Cs, astigmatism, coma, focal_spread, source_size
        As of `simulate.stem.probe.Probe`.
    pixel_size
        At the specimen [Å].
    dose
        e/Å² in one frame.
    drift
        Speed of the specimen [Å/s].
    dwell, flyback_time, jitter, jitter_lines, flyback, flyback_decay, line_gain, afterglow, afterglow_time,
    gain, dark, readout
        As of `simulate.stem.scan.ScanNoise`.
    turned
        Whether the scan is turned by any angle.
    """

    energy: float | None = None
    semiangle_cutoff: Range = (21.0, 25.0)
    defocus: Range = (-20.0, 20.0)
    Cs: Range = (-1e4, 1e4)
    astigmatism: Range = (0.0, 15.0)
    coma: Range = (0.0, 300.0)
    focal_spread: Range = (25.0, 40.0)
    source_size: Range = (0.25, 0.45)
    pixel_size: Range = (0.1, 0.25)
    dose: Range = (3e3, 1e5)
    drift: Range = (0.0, 0.3)
    dwell: Range = (2e-6, 2e-5)
    flyback_time: Range = (5e-5, 5e-4)
    jitter: Range = (0.0, 0.12)
    jitter_lines: Range = (0.0, 3.0)
    flyback: Range = (0.0, 0.5)
    flyback_decay: Range = (2e-5, 2e-4)
    line_gain: Range = (0.0, 0.01)
    afterglow: Range = (0.0, 0.2)
    afterglow_time: Range = (2e-6, 2e-5)
    gain: Range = 1.0
    dark: Range = (0.0, 0.02)
    readout: Range = (0.0, 0.2)
    turned: bool = True

    def __post_init__(self) -> None:
        if self.energy is not None and not self.energy > 0:
            raise InputError(f"energy must be positive, got {self.energy} eV")
        for name in self._ranges():
            low = None if name in _POSITIVE else -np.inf if name in _SIGNED else 0.0
            require_range(name, getattr(self, name), low=low)
        ScanNoise(**{name: self.range_of(name)[0] for name in self._noise()})
        ScanNoise(**{name: self.range_of(name)[1] for name in self._noise()})

    def _ranges(self) -> list[str]:
        return [f.name for f in fields(self) if f.name not in ("energy", "turned")]

    def _noise(self) -> list[str]:
        return [f.name for f in fields(ScanNoise)]

    def range_of(self, name: str) -> tuple[float, float]:
        """Return the lowest and the highest value of a setting."""
        return limits(getattr(self, name))

    def draw(self, energy: float, rng: np.random.Generator) -> ScanSetting:
        """Draw a setting for a beam of an energy [eV].

        Raises
        ------
        InputError
            If the microscope is one for another energy.
        """
        if self.energy is not None and abs(energy / self.energy - 1) > 1e-6:
            raise InputError(
                f"the microscope is one at {self.energy:g} eV, the scattering is at {energy:g} eV"
            )
        value = {name: self._draw(name, rng) for name in self._ranges()}
        angles = rng.uniform(0, 2 * np.pi, 3)
        probe = Probe(
            energy=energy,
            astigmatism_angle=float(angles[0]),
            coma_angle=float(angles[1]),
            **{name: value[name] for name in _PROBE},
        )
        return ScanSetting(
            probe=probe,
            pixel_size=value["pixel_size"],
            dose=value["dose"],
            noise=ScanNoise(**{name: value[name] for name in self._noise()}),
            drift=(float(value["drift"] * np.sin(angles[2])), float(value["drift"] * np.cos(angles[2]))),
            turned=self.turned,
        )

    def _draw(self, name: str, rng: np.random.Generator) -> float:
        return (log_drawn if name in _LOGARITHMIC else drawn)(getattr(self, name), rng)
