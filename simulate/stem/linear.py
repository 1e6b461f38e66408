"""HAADF by the calibrated linear model: every atom adds its cross-section times the probe. In torch.

Z contrast at high angles is incoherent: thermal motion makes atoms scatter independently (Pennycook & Jesson,
Ultramicroscopy 37 (1991) 14). What channelling makes of it goes into the cross-section of each atom, by its
place in its column (`simulate.stem.channelling`); where the electrons went is the probe's intensity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from nanonet.records import InputError
from simulate.specimen import FOCAL_PLANE
from simulate.stem.channelling import channelled
from simulate.stem.cross_sections import cone_shares, library
from simulate.stem.spread import image_of_points

if TYPE_CHECKING:
    import torch
    from ase import Atoms

    from simulate.imaging import Arrays
    from simulate.stem.microscope import ScanSetting
    from simulate.view import View

ATOM_WIDTH = 0.06
"""Standard deviation along one axis of where a resting atom scatters to high angles [Å]."""


@dataclass(frozen=True, kw_only=True)
class LinearHAADF:
    """HAADF images by the linear model, at some milliseconds an image.

    Parameters
    ----------
    energy
        Beam energy [eV]; one of the library's.
    inner, outer
        Scattering angles that the detector collects [mrad].
    padding
        Vacuum beside the particle on each side of its box [Å].
    focal_planes
        Slabs of equal thickness that a specimen is cut into along the beam; each is seen by the probe as it
        is at the slab's height. 0 cuts slabs of at most 30 Å.
    """

    energy: float = 200e3
    inner: float = 80.0
    outer: float = 160.0
    padding: float = 4.0
    focal_planes: int = 1

    def __post_init__(self) -> None:
        if not 30 <= self.inner < self.outer <= 250:
            raise InputError(
                f"HAADF needs 30 <= inner < outer <= 250 mrad, got {self.inner} and {self.outer} mrad"
            )
        if not self.padding >= 0:
            raise InputError(f"padding must not be negative, got {self.padding} Å")
        if not self.focal_planes >= 0:
            raise InputError(f"focal_planes must not be negative, got {self.focal_planes}")
        library(self.energy)

    @property
    def modality(self) -> Literal["HAADF"]:
        """What the images are called."""
        return "HAADF"

    def side(self, extent: float) -> float:
        """Return the edge of the box [Å] for a particle of an ``extent`` across the beam."""
        return extent + 2 * self.padding

    def calculate(
        self, atoms: Atoms, displacements: Mapping[str, float], seed: tuple[int, ...]
    ) -> dict[str, np.ndarray]:
        """Return positions (n, 3) x, y, z [Å], z from the focal plane; what each atom scatters
        (n, tilt) [Å²], by the directions of the illumination; the width (n,) [Å] of its place.

        Nothing is random: ``seed`` is not used.
        """  # noqa: D205 - one sentence
        symbols = atoms.get_chemical_symbols()
        missing = sorted(set(symbols) - set(displacements))
        if missing:
            raise InputError(f"thermal_displacements lacks {', '.join(missing)}: give its displacement in Å")
        focus = float(atoms.info.get(FOCAL_PLANE, atoms.cell[2, 2] / 2))
        positions = atoms.positions - np.array([0.0, 0.0, focus])
        made = channelled(atoms, library(self.energy), energy=self.energy, inner=self.inner, outer=self.outer)
        thermal = np.array([displacements[symbol] for symbol in symbols])
        widths = np.sqrt(ATOM_WIDTH**2 + thermal**2 + made.broadening)
        return {
            "positions": positions.astype(np.float32),
            "scattered": made.scattered.astype(np.float32),
            "widths": widths.astype(np.float32),
        }

    def expected(self, stored: Arrays, side: float, setting: ScanSetting, view: View) -> torch.Tensor:
        """Return the expected signal (y, x), float32: electrons a pixel, before the detector's noise.

        Raises
        ------
        InputError
            If the setting is for another energy.
        """
        import torch

        if setting.probe.energy != self.energy:
            raise InputError(
                f"the microscope's energy is {setting.probe.energy:g} eV, the scattering's {self.energy:g} eV"
            )
        weights = stored["scattered"] @ cone_shares(setting.probe.semiangle_cutoff)
        image = torch.zeros(view.shape)
        for chosen in self._slabs(stored["positions"][:, 2]):
            image += image_of_points(
                stored["positions"][chosen].astype(np.float64),
                weights[chosen],
                stored["widths"][chosen],
                setting.probe,
                view,
            )
        return setting.dose * setting.pixel_size**2 * image.clamp_min(0.0)

    def expected_series(
        self, stored: Arrays, side: float, setting: ScanSetting, views: Sequence[View]
    ) -> list[torch.Tensor]:
        """Return `expected` of several views."""
        return [self.expected(stored, side, setting, view) for view in views]

    def _slabs(self, heights: np.ndarray) -> list[np.ndarray]:
        """Return which atoms are of each slab that is not empty."""
        if not len(heights):
            return []
        low, high = float(heights.min()), float(heights.max()) + 1e-3
        count = self.focal_planes or int(np.ceil((high - low) / 30.0))
        which = ((heights - low) / (high - low) * count).astype(int)
        return [which == index for index in range(count) if (which == index).any()]
