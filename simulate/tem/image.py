"""The image that a lens makes of exit waves, partly coherent in time and space. In torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulate.tem.coherence import coherent_modes
from simulate.tem.optics import Optics, random_phases, smear, transfer_function, wavelength

if TYPE_CHECKING:
    import torch


def image_intensity(
    elastic: torch.Tensor, diffuse: torch.Tensor, sampling: float, optics: Optics, *, modes: int = 3
) -> torch.Tensor:
    """Return the image of exit waves, relative to the incident intensity: vacuum is 1.

    Parameters are those of `image_spectrum`, which see.

    Returns
    -------
    intensity
        (*b, y, x), float32.
    """
    import torch

    shape = (elastic.shape[-2], elastic.shape[-1])
    image: torch.Tensor = torch.fft.irfft2(
        image_spectrum(elastic, diffuse, sampling, optics, modes=modes), s=shape
    )
    return image


def image_spectrum(
    elastic: torch.Tensor, diffuse: torch.Tensor, sampling: float, optics: Optics, *, modes: int = 3
) -> torch.Tensor:
    """Return the Fourier transform of the image of exit waves.

    The image is that of the elastic wave <ψ>, partly coherent, plus the incoherent sum of what each phonon
    configuration adds to it: <|Tψ|²> = |T<ψ>|² + <|T(ψ - <ψ>)|²>, exact for any lens T.

    Parameters
    ----------
    elastic
        (*b, y, x) Fourier transform (torch.fft.fft2) of the mean wave; vacuum is a wave of 1.
    diffuse
        (*b, d, y, x) Fourier transforms of ψ - <ψ> of d phonon configurations, which may be none. Each is
        seen at a defocus of its own out of the focal spread.
    sampling
        Å.
    optics
        Its settings are numbers, or tensors (b,).
    modes
        Coherent images that the elastic wave's is made of, see `simulate.tem.coherence`; one more is added
        incoherently.

    Returns
    -------
    spectrum
        (*b, y, x // 2 + 1), complex64, as torch.fft.rfft2 of the image.
    """
    import torch

    shape = (elastic.shape[-2], elastic.shape[-1])
    transfer = transfer_function(optics, shape, sampling, device=elastic.device)
    seen = elastic * transfer
    if optics.is_coherent:
        return _transform(_squared(torch.fft.ifft2(seen)) + _scattered(diffuse, transfer, optics, sampling))
    power = _squared(seen)
    amplitudes, rest = coherent_modes(
        random_phases(optics, shape, sampling, device=elastic.device), power, modes
    )
    sharp = _squared(torch.fft.ifft2(seen.unsqueeze(-3) * amplitudes)).sum(dim=-3)
    sharp = sharp + _scattered(diffuse, transfer, optics, sampling)
    incoherent = _squared(torch.fft.ifft2(seen * rest.sqrt()))
    ky, kx = torch.fft.fftfreq(shape[0], sampling), torch.fft.rfftfreq(shape[1], sampling)
    square = (ky[:, None] ** 2 + kx**2).to(elastic.device)
    blur = torch.exp(-2 * np.pi**2 * smear(optics, rest * power, sampling)[..., None, None] ** 2 * square)
    return _transform(sharp) + blur * _transform(incoherent)


def _scattered(
    diffuse: torch.Tensor, transfer: torch.Tensor, optics: Optics, sampling: float
) -> torch.Tensor:
    """Return the mean image of the diffuse waves."""
    import torch

    count = diffuse.shape[-3]
    if not count:
        return torch.zeros((), device=diffuse.device)
    shape = (diffuse.shape[-2], diffuse.shape[-1])
    ky, kx = (torch.fft.fftfreq(n, sampling, dtype=torch.float64, device=diffuse.device) for n in shape)
    spread = torch.as_tensor(optics.focal_spread, dtype=torch.float64, device=diffuse.device)
    offsets = torch.as_tensor(focal_offsets(count), device=diffuse.device)
    scale = torch.pi * wavelength(optics.energy) * spread[..., None] * offsets
    # exp(iπλδ(ky² + kx²)) is a product of two vectors: no exponential a pixel.
    rows, columns = (
        torch.polar(torch.ones_like(p), p).to(torch.complex64)
        for p in (scale[..., None] * ky**2, scale[..., None] * kx**2)
    )
    lens = transfer.unsqueeze(-3) * rows[..., :, None] * columns[..., None, :]
    return _squared(torch.fft.ifft2(diffuse * lens)).mean(dim=-3)


def focal_offsets(count: int) -> np.ndarray:
    """Return ``count`` defoci of equal weight with the mean 0 and the variance 1 of a normal distribution."""
    from scipy.special import ndtri

    offsets = ndtri((np.arange(count) + 0.5) / count)
    return np.asarray(offsets / max(offsets.std(), 1e-12)) if count > 1 else np.zeros(1)


def _transform(image: torch.Tensor) -> torch.Tensor:
    import torch

    spectrum: torch.Tensor = torch.fft.rfft2(image)
    return spectrum


def _squared(wave: torch.Tensor) -> torch.Tensor:
    return wave.real.square() + wave.imag.square()
