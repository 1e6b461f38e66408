"""What every kind of imaging has in common: the expensive part once, then any number of images from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch
    from ase import Atoms

    from nanonet.records import Modality
    from simulate.view import View, Window

Arrays = Mapping[str, np.ndarray]
"""What a shard stores of a specimen's scattering, under the names that the imaging gives them."""


class Setting(Protocol):
    """A drawn setting of microscope and detector."""

    @property
    def pixel_size(self) -> float:
        """At the specimen [Å]."""

    @property
    def dose(self) -> float:
        """In one frame [e/Å²]."""

    def values(self) -> dict[str, float]:
        """Return all that was drawn, each under its name."""

    def view(
        self, side: float, shape: tuple[int, int], rng: np.random.Generator, window: Window | None = None
    ) -> View:
        """Draw where in a square box of edge ``side`` [Å], or in a window of it, the image lies."""

    def record(self, expected: torch.Tensor, rng: np.random.Generator) -> np.ndarray:
        """Return the image (y, x), float32, that the detector gives of an expected signal."""


class Microscope(Protocol):
    """The ranges that settings are drawn from."""

    def draw(self, energy: float, rng: np.random.Generator) -> Setting:
        """Draw a setting for a beam of an energy [eV]."""


class Imaging(Protocol):
    """A way to image: HRTEM by multislice, HAADF by one of its rungs.

    Atoms come in a box: a square of edge ``side`` [Å] periodic along x and y, beam along +z.
    """

    @property
    def energy(self) -> float:
        """Beam energy [eV]."""

    @property
    def modality(self) -> Modality:
        """What the images are called."""

    def side(self, extent: float) -> float:
        """Return the edge of the box [Å] for a particle of an ``extent`` across the beam."""

    def calculate(
        self, atoms: Atoms, displacements: Mapping[str, float], seed: tuple[int, ...]
    ) -> dict[str, np.ndarray]:
        """Return what is stored of atoms in their box; it follows from the arguments to the last bit."""

    def expected(self, stored: Arrays, side: float, setting: Setting, view: View) -> torch.Tensor:
        """Return the expected signal (y, x), float32: electrons a pixel, before the detector's noise."""

    def expected_series(
        self, stored: Arrays, side: float, setting: Setting, views: Sequence[View]
    ) -> list[torch.Tensor]:
        """Return `expected` of several views of one setting; what they share is calculated once."""
