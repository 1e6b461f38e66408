"""The scattering matrix of PRISM: what becomes of each plane wave of a probe in the specimen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from nanonet.records import InputError
from simulate.stem.probe import Annulus, Probe, annulus_masks, coefficients
from simulate.tem.optics import wavelength

if TYPE_CHECKING:
    import torch

BLOCK = 1 << 17
"""Complex numbers that are transformed at a time on a CPU: about what its caches hold."""


@dataclass(frozen=True, kw_only=True)
class ScatteringMatrix:
    """Exit waves of the plane waves of a probe, for one phonon configuration.

    Parameters
    ----------
    waves
        complex64 (beam, y, x); incident amplitude 1. The grid divides by ``interpolation``.
    lattice
        (my, mx) of the plane waves, sorted by my: k = interpolation · m / side.
    sides
        (y, x) of the periodic box [Å].
    energy
        eV.
    interpolation
        Each that many'th plane wave is kept.
    """

    waves: torch.Tensor
    lattice: Int[np.ndarray, "beam 2"]
    sides: tuple[float, float]
    energy: float
    interpolation: int = 1

    @property
    def window(self) -> tuple[int, int]:
        """Samples (y, x) of the wave of one probe."""
        ny, nx = self.waves.shape[-2:]
        return ny // self.interpolation, nx // self.interpolation

    @property
    def window_sides(self) -> tuple[float, float]:
        """Edges (y, x) of the wave of one probe [Å]: its period, too."""
        return self.sides[0] / self.interpolation, self.sides[1] / self.interpolation

    def amplitudes(self, probes: Sequence[Probe]) -> torch.Tensor:
        """Return the amplitudes of the plane waves of every probe: complex64 (probe, beam).

        Raises
        ------
        InputError
            If a probe has another energy, or a focal spread.
        """
        import torch

        if any(probe.energy != self.energy for probe in probes):
            raise InputError(f"all probes must have the scattering matrix's energy {self.energy} eV")
        if any(probe.focal_spread for probe in probes):
            raise InputError("a probe with focal_spread is a sum over several: give those of focal_series")
        rows = [coefficients(probe, self.lattice, self.window_sides) for probe in probes]
        return torch.stack(rows).to(self.waves.device)

    def masks(self, annuli: Sequence[Annulus]) -> torch.Tensor:
        """Return which samples of the FFT of a window fall on each annulus: bool (annulus, y, x).

        Raises
        ------
        InputError
            If the waves do not hold the angles of an annulus.
        """
        sampling = [side / n for side, n in zip(self.sides, self.waves.shape[-2:], strict=True)]
        reach = 1e3 * wavelength(self.energy) / (2 * max(sampling))
        outer = max(annulus.outer for annulus in annuli)
        if outer > reach:
            raise InputError(
                f"the scattering matrix holds angles up to {reach:.1f} mrad, outer is {outer} mrad"
            )
        return annulus_masks(annuli, self.window, self.window_sides, self.energy).to(self.waves.device)


def block_size(tensor: torch.Tensor) -> int:
    """Return how many complex numbers are worked on at a time on the device of a tensor."""
    return BLOCK if tensor.device.type == "cpu" else 512 * BLOCK


def squared(values: torch.Tensor) -> torch.Tensor:
    """Return |values|²."""
    return values.real.square() + values.imag.square()
