"""HRTEM: a few waves of a specimen, calculated once, and any number of images of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nanonet.records import InputError, Modality
from simulate.imaging import Arrays
from simulate.tem.exit_wave import Multislice, elastic_wave, fast_size, phonon_wave
from simulate.view import View

if TYPE_CHECKING:
    import torch
    from ase import Atoms

    from simulate.tem.microscope import Setting

SCALE = 1024.0
"""Of stored spectra: half precision then holds 1e-7 of the direct beam, and the beam itself."""


@dataclass(frozen=True, kw_only=True)
class HRTEM:
    """High-resolution TEM by multislice.

    A specimen is stored as the Fourier transforms of its elastic wave <ψ> - 1 and of ψ - <ψ> of a few phonon
    configurations, in half precision: real and imaginary parts, times `SCALE`.

    Parameters
    ----------
    multislice
        How the waves are calculated.
    diffuse_waves
        Phonon configurations of the diffuse part; 0 leaves it out.
    stored_sampling
        Of the stored waves [Å]: they hold what lies below 1 / (2 stored_sampling).
    padding
        Vacuum (or surroundings) beside the particle on each side [Å].
    least_side
        The box is at least that large [Å]; for images that are to be filled with surroundings.
    thermal_displacements
        Root mean square displacement along one axis by element [Å], in place of the specimen's own.
    modes
        Coherent images that an image of partial coherence is made of.
    """

    multislice: Multislice = field(default_factory=Multislice)
    diffuse_waves: int = 2
    stored_sampling: float = 0.22
    padding: float = 6.0
    least_side: float = 0.0
    thermal_displacements: Mapping[str, float] | None = None
    modes: int = 3

    def __post_init__(self) -> None:
        if self.diffuse_waves < 0:
            raise InputError(f"diffuse_waves must not be negative, got {self.diffuse_waves}")
        if self.modes < 1:
            raise InputError(f"modes must be at least 1, got {self.modes}")
        if not self.padding > 0:
            raise InputError(f"padding must be positive, got {self.padding} Å")
        if self.stored_sampling < self.multislice.sampling:
            raise InputError(
                "stored_sampling must be at least the multislice's sampling, got "
                f"{self.stored_sampling} < {self.multislice.sampling} Å"
            )

    @property
    def energy(self) -> float:
        """Beam energy [eV]."""
        return self.multislice.energy

    @property
    def modality(self) -> Modality:
        """HRTEM."""
        return "HRTEM"

    def side(self, extent: float) -> float:
        """Return the edge of the box [Å]: with vacuum all around, and of a grid that transforms fast."""
        least = max(extent + 2 * self.padding, self.least_side)
        return fast_size(least / self.multislice.sampling) * self.multislice.sampling

    def calculate(
        self, atoms: Atoms, displacements: Mapping[str, float], seed: tuple[int, ...]
    ) -> dict[str, np.ndarray]:
        """Return the waves of atoms in their box; phonon configuration i is drawn from [*seed, i]."""
        sigma = {**displacements, **(self.thermal_displacements or {})}
        points = fast_size(float(atoms.cell[0, 0]) / self.stored_sampling)
        elastic = elastic_wave(atoms, self.multislice, sigma, points)
        diffuse = [
            phonon_wave(atoms, self.multislice, sigma, points, (*seed, index)) - elastic
            for index in range(self.diffuse_waves)
        ]
        elastic[0, 0] -= 1.0
        stacked = np.stack(diffuse) if diffuse else np.zeros((0, *elastic.shape), dtype=np.complex64)
        return {"elastic": _halved(elastic), "diffuse": _halved(stacked)}

    def expected(self, stored: Arrays, side: float, setting: Setting, view: View) -> torch.Tensor:
        """Return the expected electrons a pixel (y, x), float32; vacuum gives dose · pixel_size².

        Beyond the box there is vacuum.
        """
        return self.expected_series(stored, side, setting, (view,))[0]

    def expected_series(
        self, stored: Arrays, side: float, setting: Setting, views: Sequence[View]
    ) -> list[torch.Tensor]:
        """Return the expected electrons a pixel of several views, from one image of the lens."""
        import torch

        from simulate.camera.sampling import sample_spectrum
        from simulate.tem.image import image_spectrum

        with torch.inference_mode():
            elastic, diffuse = waves(stored)
            points = elastic.shape[-1]
            spectrum = image_spectrum(elastic, diffuse, side / points, setting.optics, modes=self.modes)
            vacuum = setting.dose * setting.pixel_size**2
            response = setting.detector.response
            return [
                vacuum
                * sample_spectrum(
                    spectrum, (points, points), side / points, view, response, outside=1.0
                ).clamp_min_(0.0)
                for view in views
            ]


def waves(stored: Arrays) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the transforms (y, x) and (d, y, x) of stored waves, as torch.fft.fft2 gives them."""
    import torch

    points = stored["elastic"].shape[-2]
    scale = points**2 / SCALE
    parts = (torch.as_tensor(stored[name]).float().mul_(scale) for name in ("elastic", "diffuse"))
    elastic, diffuse = (torch.complex(part[..., 0], part[..., 1]) for part in parts)
    elastic[0, 0] += points**2
    return elastic, diffuse


def stored_waves(elastic: torch.Tensor, diffuse: torch.Tensor) -> dict[str, np.ndarray]:
    """Return transforms of waves as they are stored, in single precision: the inverse of `waves`."""
    import torch

    points = elastic.shape[-1]
    scattered = elastic.clone()
    scattered[0, 0] -= points**2
    scale = SCALE / points**2
    return {
        name: torch.view_as_real(array.to(torch.complex64) * scale).numpy()
        for name, array in (("elastic", scattered), ("diffuse", diffuse))
    }


def _halved(spectrum: np.ndarray) -> np.ndarray:
    """Return a complex array as half precision, real and imaginary parts along a last axis."""
    parts = np.ascontiguousarray(SCALE * spectrum).astype(np.complex64).view(np.float32)
    return parts.reshape(*spectrum.shape, 2).astype(np.float16)
