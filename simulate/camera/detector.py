"""The camera at work: pixels, modulation transfer, vibration, motion, dose, noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.camera.camera import Camera
from simulate.camera.noise import exposure
from simulate.camera.poisson import poisson

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A camera at one magnification and exposure.

    Without a `Camera` it counts every electron that hits it, with a transfer of signal that one number says.

    Parameters
    ----------
    pixel_size
        At the specimen [Å].
    dose
        e/Å² in one frame.
    mtf_nyquist
        Modulation transfer at Nyquist's frequency: MTF(f) = mtf_nyquist^((f / f_Nyquist)²); 2/π is that of
        square pixels that do nothing but count. A ``camera`` has its own curve.
    vibration
        Standard deviation along one axis of the specimen's motion within a frame [Å].
    motion
        (y, x) way of the specimen during the frame at constant speed [Å]; the image is that of the middle of
        the exposure, blurred along the way. None for none.
    camera
        Measured transfer, noise and faults.
    rate
        Electrons a pixel within one readout of a counting camera, in vacuum: dose rate over its readouts per
        second. 0 for so few that none coincide.
    sensor
        Number of the camera's sensor, from which its faults follow.

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    pixel_size: float
    dose: float
    mtf_nyquist: float = 2 / np.pi
    vibration: float = 0.0
    motion: tuple[float, float] | None = None
    camera: Camera | None = None
    rate: float = 0.0
    sensor: int = 0

    def __post_init__(self) -> None:
        for name, unit in (("pixel_size", "Å"), ("dose", "e/Å²")):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)} {unit}")
        if not 0 < self.mtf_nyquist <= 1:
            raise InputError(f"mtf_nyquist must lie within 0 and 1, got {self.mtf_nyquist}")
        for name, unit in (("vibration", "Å"), ("rate", "e a pixel and readout")):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} must not be negative, got {getattr(self, name)} {unit}")

    @property
    def electrons(self) -> float:
        """Expected electrons a pixel in vacuum."""
        return self.dose * self.pixel_size**2

    def response(self, ky: torch.Tensor, kx: torch.Tensor) -> torch.Tensor:
        """Return the transfer of signal by camera, vibration and motion, float32.

        Parameters
        ----------
        ky, kx
            Spatial frequencies at the specimen [1/Å], of shapes that broadcast.
        """
        import torch

        square = ky**2 + kx**2
        transfer = torch.exp(-2 * torch.pi**2 * self.vibration**2 * square)
        if self.motion is not None:
            transfer = transfer * torch.sinc(ky * self.motion[0] + kx * self.motion[1])
        fraction_square = square * (2 * self.pixel_size) ** 2
        if self.camera is None:
            return (transfer * torch.exp(np.log(self.mtf_nyquist) * fraction_square)).float()
        # The floor keeps the root differentiable at frequency 0; it shifts no value by more than 1e-10.
        return (transfer * self.camera.signal(fraction_square.clamp_min(1e-20).sqrt())).float()

    def record(self, expected: torch.Tensor, rng: np.random.Generator) -> Float[np.ndarray, "*b y x"]:
        """Return the counts of one exposure, float32.

        Parameters
        ----------
        expected
            (y, x) or (b, y, x) electrons a pixel, after `response`.
        rng
            Decides the noise; the faults of the sensor are the same every time.
        """
        if self.camera is None:
            return count(expected, rng)
        return exposure(
            expected.detach().cpu().numpy(),
            self.camera,
            rng,
            crowding=self.rate / self.electrons,
            sensor=self.sensor,
        )

    def values(self) -> dict[str, float]:
        """Return the drawn numbers, each under its name."""
        found = {name: getattr(self, name) for name in ("pixel_size", "dose", "mtf_nyquist", "vibration")}
        if self.motion is not None:
            found |= {"motion": float(np.hypot(*self.motion))}
        return {**found, "rate": self.rate} if self.rate else found


def expose(
    camera: Camera,
    pixel_size: float,
    dose: float,
    vibration: float = 0.0,
    *,
    motion: tuple[float, float] | None = None,
    rate: float = 0.0,
    sensor: int = 0,
) -> Detector:
    """Return a camera at one magnification and exposure; the arguments are `Detector`'s."""
    return Detector(
        pixel_size=pixel_size,
        dose=dose,
        mtf_nyquist=camera.signal.at(1.0),
        vibration=vibration,
        motion=motion,
        camera=camera,
        rate=rate,
        sensor=sensor,
    )


def count(expected: torch.Tensor, rng: np.random.Generator) -> Float[np.ndarray, "*b y x"]:
    """Return counts drawn from Poisson's distribution around the expected ones, float32."""
    return poisson(expected.detach().cpu().numpy().clip(min=0.0), rng).astype(np.float32)
