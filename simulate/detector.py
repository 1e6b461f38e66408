"""The camera: pixels, modulation transfer, vibration, dose, counting noise. In torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A counting camera at one magnification.

    Parameters
    ----------
    pixel_size
        At the specimen [Å].
    dose
        e/Å² in one frame.
    mtf_nyquist
        Modulation transfer at Nyquist's frequency: MTF(f) = mtf_nyquist^((f / f_Nyquist)²); 2/π is that of
        square pixels that do nothing but count.
    vibration
        Standard deviation along one axis of the specimen's motion within a frame [Å].
    """

    pixel_size: float
    dose: float
    mtf_nyquist: float = 2 / np.pi
    vibration: float = 0.0

    def __post_init__(self) -> None:
        for name, unit in (("pixel_size", "Å"), ("dose", "e/Å²")):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)} {unit}")
        if not 0 < self.mtf_nyquist <= 1:
            raise InputError(f"mtf_nyquist must lie within 0 and 1, got {self.mtf_nyquist}")


def expected_counts(
    intensity: torch.Tensor,
    sampling: float,
    detector: Detector,
    *,
    origin: tuple[float, float],
    shape: tuple[int, int],
) -> torch.Tensor:
    """Return the mean counts of a camera that looks at a part of a periodic image.

    The image's Fourier series, cut at the camera's Nyquist frequency, is evaluated at the centres of the
    pixels, so that any pixel size and any sub-pixel shift is exact. Beyond the image's own period the
    camera sees vacuum.

    Parameters
    ----------
    intensity
        (y, x), or (b, y, x); vacuum is 1.
    sampling
        Å.
    origin
        (y, x) [Å] of the centre of the first pixel, in the frame of ``intensity``.
    shape
        (y, x) pixels.

    Returns
    -------
    counts
        (*b, *shape), float32; vacuum is dose · pixel_size².
    """
    import torch

    grid = intensity.shape[-2:]
    spectrum = torch.fft.fft2(intensity) / (grid[0] * grid[1])
    rows, columns = (_harmonics(n, n * sampling, detector.pixel_size) for n in grid)
    spectrum = spectrum[..., rows, :][..., columns]
    ky, kx = rows / (grid[0] * sampling), columns / (grid[1] * sampling)
    spectrum = spectrum * _response(detector, ky[:, None] ** 2 + kx**2)
    y, x = (
        start + detector.pixel_size * torch.arange(n, dtype=torch.float64)
        for start, n in zip(origin, shape, strict=True)
    )
    seen = (_waves(y, ky) @ spectrum @ _waves(x, kx).T).real
    inside = _within(y, grid[0] * sampling)[:, None] & _within(x, grid[1] * sampling)
    seen = torch.where(inside, seen, 1.0)
    return detector.dose * detector.pixel_size**2 * seen.clamp_min(0.0)


def count(expected: torch.Tensor, rng: np.random.Generator) -> Float[np.ndarray, "*b y x"]:
    """Return counts drawn from Poisson's distribution around the expected ones, float32."""
    return rng.poisson(expected.detach().numpy()).astype(np.float32)


def _harmonics(count: int, side: float, pixel_size: float) -> torch.Tensor:
    """Return which harmonics of a period ``side`` a grid of ``count`` holds and a camera resolves."""
    import torch

    harmonics = torch.fft.fftfreq(count, 1 / count, dtype=torch.float64).round().long()
    resolved = harmonics.abs() < min(side / (2 * pixel_size), count / 2)
    return torch.masked_select(harmonics, resolved)


def _response(detector: Detector, k_squared: torch.Tensor) -> torch.Tensor:
    """Return the modulation transfer of camera and vibration at spatial frequencies² [1/Å²], float32."""
    import torch

    exponent = np.log(detector.mtf_nyquist) * (2 * detector.pixel_size) ** 2
    exponent -= 2 * np.pi**2 * detector.vibration**2
    return torch.exp(exponent * k_squared).float()


def _waves(places: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    import torch

    phase = 2 * torch.pi * torch.outer(places, k)
    return torch.polar(torch.ones_like(phase), phase).to(torch.complex64)


def _within(places: torch.Tensor, side: float) -> torch.Tensor:
    return (places >= 0) & (places < side)
