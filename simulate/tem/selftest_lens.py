"""Self-tests of the lens: wavelength, transfer, resolution, partial coherence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulate.check import Check
from simulate.tem.optics import Optics, transfer_function, wavelength

if TYPE_CHECKING:
    import torch

# Kirkland, Advanced Computing in Electron Microscopy, 3rd ed., table of relativistic wavelengths [Å].
WAVELENGTHS = {60e3: 0.04866, 80e3: 0.04176, 100e3: 0.03701, 200e3: 0.02508, 300e3: 0.01969}


def check_lens() -> tuple[Check, ...]:
    """Run the checks of this module."""
    checks = (check_wavelengths, check_scherzer_resolution, check_transfer_function, check_partial_coherence)
    return tuple(check for function in checks for check in function())


def check_wavelengths() -> tuple[Check, ...]:
    """Compare the relativistic wavelength with tables."""
    return tuple(
        Check(
            name=f"wavelength at {energy / 1e3:.0f} kV",
            measured=wavelength(energy),
            expected=tabulated,
            tolerance=6e-6,
            unit="Å",
        )
        for energy, tabulated in WAVELENGTHS.items()
    )


def check_scherzer_resolution() -> tuple[Check, ...]:
    """Compare the first zero of the phase contrast at Scherzer's defocus with c Cs^1/4 λ^3/4.

    c is 0.66 at the defocus sqrt(4/3 Cs λ) and 0.64 at sqrt(3/2 Cs λ), the two that go by the name.
    """
    energy, Cs = 300e3, 1.2e7
    unit = Cs**0.25 * wavelength(energy) ** 0.75
    return tuple(
        Check(
            name=f"Scherzer point resolution, 300 kV, Cs 1.2 mm, {factor} Cs^1/4 λ^3/4",
            measured=_first_zero(energy, Cs, float(np.sqrt(square * Cs * wavelength(energy)))),
            expected=factor * unit,
            tolerance=0.005 * unit,
            unit="Å",
        )
        for factor, square in ((0.66, 4 / 3), (0.64, 3 / 2))
    )


def _first_zero(energy: float, Cs: float, defocus: float) -> float:
    """Return the distance [Å] at whose frequency a weak phase object first loses its contrast."""
    sampling, count = 0.25, 40000
    transfer = transfer_function(Optics(energy=energy, Cs=Cs, defocus=defocus), (1, count), sampling)
    contrast = transfer[0, 1 : count // 2].imag.numpy()  # -sin χ, which begins above 0 in underfocus
    below = int(np.argmax(contrast < 0))
    between = contrast[below] / (contrast[below] - contrast[below - 1])
    return float(count * sampling / (below + 1 - between))


def check_transfer_function() -> tuple[Check, ...]:
    """Compare the transfer function with abTEM's, up to 33 mrad."""
    import abtem

    lens = {
        "energy": 300e3,
        "defocus": 60.0,
        "Cs": -9e4,
        "astigmatism": 20.0,
        "astigmatism_angle": 0.4,
        "coma": 400.0,
        "coma_angle": 1.1,
    }
    with abtem.config.set({"precision": "float64", "device": "cpu"}):
        theirs = abtem.CTF(**lens, gpts=(96, 128), sampling=(0.3, 0.3))._evaluate_kernel()
    ours = transfer_function(Optics(**lens), (128, 96), 0.3).numpy()
    difference = float(np.abs(ours - theirs.T).max())
    return (Check(name="transfer function minus abTEM's", measured=difference, expected=0.0, tolerance=1e-6),)


def check_partial_coherence() -> tuple[Check, ...]:
    """Compare images by a few modes with a fine sum over source and focus, as a share of their contrast."""
    import torch

    from simulate.tem.image import image_intensity

    exit_wave = torch.fft.fft2(torch.from_numpy(_lattice_wave(64)))
    none = torch.zeros(0, 64, 64, dtype=torch.complex64)
    found = []
    for name, optics in (
        ("corrected lens", Optics(energy=300e3, defocus=50, Cs=-9e4, focal_spread=25, angular_spread=0.1)),
        (
            "Scherzer's lens",
            Optics(energy=300e3, defocus=600, Cs=1.2e7, focal_spread=30, angular_spread=0.05),
        ),
    ):
        fine = explicit_image(exit_wave, 0.22, optics)
        image = image_intensity(exit_wave, none, 0.22, optics)
        error = float((image - fine).square().mean().sqrt() / fine.std())
        found.append(
            Check(
                name=f"partial coherence by three modes, {name}", measured=error, expected=0.0, tolerance=0.05
            )
        )
    return tuple(found)


def explicit_image(
    spectrum: torch.Tensor, sampling: float, optics: Optics, *, tilts: int = 7, foci: int = 41
) -> torch.Tensor:
    """Return the image as a plain sum over source angles and foci, each with its own transfer function.

    Nothing of `simulate.tem.coherence` goes into it: a tilt shifts the frequencies of the transfer function.

    Parameters
    ----------
    spectrum
        (y, x) Fourier transform of the exit wave.
    """
    import torch

    offsets = np.linspace(-4.5, 4.5, foci)
    nodes, weights = np.polynomial.hermite_e.hermegauss(tilts)
    k = wavelength(optics.energy) * torch.fft.fftfreq(spectrum.shape[-1], sampling, dtype=torch.float64)
    angle = 1e-3 * float(optics.angular_spread)
    total, norm = torch.zeros(spectrum.shape, dtype=torch.float64), 0.0
    for y, v in zip(nodes, weights, strict=True):
        for x, u in zip(nodes, weights, strict=True):
            square = (k[:, None] + angle * y) ** 2 + (k + angle * x) ** 2
            for offset in offsets:
                c10 = -(float(optics.defocus) + float(optics.focal_spread) * offset)
                phase = 0.5 * c10 * square + 0.25 * float(optics.Cs) * square**2
                lens = torch.polar(torch.ones_like(phase), -2 * torch.pi / wavelength(optics.energy) * phase)
                share = u * v * float(np.exp(-(offset**2) / 2))
                total += share * torch.fft.ifft2(spectrum * lens).abs().square()
                norm += share
    return (total / norm).float()


def _lattice_wave(count: int) -> np.ndarray:
    """Return a wave like a crystal's: vacuum of 1, beams of a lattice, scattering between them."""
    rng = np.random.default_rng(0)
    k = np.fft.fftfreq(count, 0.22)
    square = k[:, None] ** 2 + k**2
    field = np.fft.fft2(rng.standard_normal((count, count)) + 1j * rng.standard_normal((count, count)))
    field[::6, ::8] *= 12
    scattered = np.fft.ifft2(field * (square < 1.4**2) * np.exp(-square / 0.8))
    return np.asarray((1 + 0.25 * scattered / scattered.std()).astype(np.complex64))
