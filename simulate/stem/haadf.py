"""HAADF images of a particle from scattering that is calculated once: by PRISM, or by multislice.

What is stored are clean images over the whole box for some defoci. A drawn defocus and focal spread are a
sum over them, the size of the source a convolution, both exact in the frequencies that the probe passes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError, Modality
from simulate.camera.sampling import sample_periodic
from simulate.imaging import Arrays, Setting
from simulate.stem.multislice import haadf_multislice, scan_grid
from simulate.stem.potential import Scattering, box_sides, check_annuli
from simulate.stem.prism import haadf_prism
from simulate.stem.probe import Annulus, Probe, focal_series, scan_points, source_response

if TYPE_CHECKING:
    import torch
    from ase import Atoms

    from simulate.view import View

IMAGES = "haadf"
"""Stored array: (defocus, y, x), float32, the part of the beam on the annulus over the whole box."""


class ProbeSetting(Setting, Protocol):
    """A setting of a scanning microscope."""

    @property
    def probe(self) -> Probe:
        """The probe that was drawn."""


@dataclass(frozen=True, kw_only=True)
class _CleanImages:
    """What both rungs have in common.

    Parameters
    ----------
    energy
        Beam energy [eV].
    semiangle_cutoff
        Semi-angle of convergence [mrad].
    inner, outer
        Of the annular detector [mrad].
    Cs
        Spherical aberration C30 of the probe [Å].
    defoci
        For which images are stored [Å], increasing; 0 is the middle of the box. Images at defoci between
        are their polynomial; ends may not be passed. Steps of half a depth of focus λ / α² are fine enough.
    frozen_phonons, sampling, slice_thickness, parametrization
        See `simulate.stem.potential.Scattering`.
    padding
        Vacuum beside the particle on each side [Å].
    """

    energy: float = 200e3
    semiangle_cutoff: float = 23.0
    inner: float = 80.0
    outer: float = 160.0
    Cs: float = 0.0
    defoci: Sequence[float] = (-50.0, -25.0, 0.0, 25.0, 50.0)
    frozen_phonons: int = 8
    sampling: float = 0.044
    slice_thickness: float = 2.0
    parametrization: Literal["lobato", "kirkland"] = "lobato"
    padding: float = 6.0

    def __post_init__(self) -> None:
        if not len(self.defoci) or (np.diff(self.defoci) <= 0).any():
            raise InputError(f"defoci must be increasing numbers in Å, got {list(self.defoci)}")
        if not self.padding > 0:
            raise InputError(f"padding must be positive, got {self.padding} Å")
        self.probes()
        # A beam from the edge of the cone reaches the detector's far edge by scattering through both angles.
        widest = Annulus(inner=self.inner, outer=self.outer + self.semiangle_cutoff)
        check_annuli([widest], self._scattering(), self.energy)

    @property
    def modality(self) -> Modality:
        """What the images are called."""
        return "HAADF"

    def side(self, extent: float) -> float:
        """Return the edge of the box [Å] for a particle of an ``extent`` across the beam."""
        return extent + 2 * self.padding

    def probes(self) -> tuple[Probe, ...]:
        """Return the probes that images are stored for."""
        return tuple(
            Probe(
                energy=self.energy,
                semiangle_cutoff=self.semiangle_cutoff,
                Cs=self.Cs,
                defocus=float(defocus),
            )
            for defocus in self.defoci
        )

    def expected(self, stored: Arrays, side: float, setting: ProbeSetting, view: View) -> torch.Tensor:
        """Return the expected electrons a pixel (y, x), float32, with source size and focal spread.

        That is dose · pixel_size² times the part of the beam on the annulus; vacuum is 0.

        Raises
        ------
        InputError
            If the setting's probe is not among those that the images were made for.
        """
        import torch

        probe = setting.probe
        self._check(probe)
        weights = self._defocus_weights(probe)
        images = torch.as_tensor(stored[IMAGES])
        image = torch.tensordot(torch.as_tensor(weights, dtype=torch.float32), images, dims=1)
        seen = sample_periodic(
            image,
            side / image.shape[-1],
            view,
            lambda ky, kx: source_response(probe.source_size, ky, kx),
            outside=0.0,
            aliased=True,
        )
        return (setting.dose * setting.pixel_size**2) * seen.clamp(min=0)

    def expected_series(
        self, stored: Arrays, side: float, setting: ProbeSetting, views: Sequence[View]
    ) -> list[torch.Tensor]:
        """Return `expected` of several views."""
        return [self.expected(stored, side, setting, view) for view in views]

    def _scattering(self) -> Scattering:
        return Scattering(
            frozen_phonons=self.frozen_phonons,
            sampling=self.sampling,
            slice_thickness=self.slice_thickness,
            parametrization=self.parametrization,
        )

    def _annuli(self) -> tuple[Annulus, ...]:
        return (Annulus(inner=self.inner, outer=self.outer),)

    def _check(self, probe: Probe) -> None:
        """Raise where a drawn probe is not among those stored."""
        fixed = {"energy": "eV", "semiangle_cutoff": "mrad", "Cs": "Å"}
        wanted = {name: getattr(self, name) for name in fixed} | {"astigmatism": 0.0, "coma": 0.0}
        for name, value in wanted.items():
            if abs(getattr(probe, name) - value) > 1e-6 * max(1.0, abs(value)):
                unit = fixed.get(name, "Å")
                raise InputError(
                    f"{name} must be {value} {unit}, which the images were calculated for, "
                    f"got {getattr(probe, name)} {unit}"
                )
        if not self.defoci[0] <= probe.defocus <= self.defoci[-1]:
            raise InputError(
                f"defocus must lie within {self.defoci[0]} and {self.defoci[-1]} Å, which the images were "
                f"calculated for, got {probe.defocus} Å"
            )

    def _defocus_weights(self, probe: Probe) -> Float[np.ndarray, " defocus"]:
        """Return the weights of the stored images: Lagrange's polynomials, averaged over focal spread."""
        total = np.zeros(len(self.defoci))
        for node, weight in focal_series(probe):
            total += weight * _lagrange(np.asarray(self.defoci, dtype=float), node.defocus)
        return total


@dataclass(frozen=True, kw_only=True)
class PrismHAADF(_CleanImages):
    """HAADF by PRISM.

    Parameters
    ----------
    interpolation
        Each that many'th plane wave is calculated: 1 is multislice, and each doubling saves nearly four
        times the time; what it costs in accuracy is in docs/simulate.md.
    """

    interpolation: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.interpolation <= 8:
            raise InputError(f"interpolation must lie within 1 and 8, got {self.interpolation}")

    def calculate(
        self, atoms: Atoms, displacements: Mapping[str, float], seed: tuple[int, ...]
    ) -> dict[str, np.ndarray]:
        """Return the clean images of atoms in their square box; phonon i is drawn from [*seed, i]."""
        found = haadf_prism(
            atoms,
            self.probes(),
            self._annuli(),
            self._scattering(),
            displacements=displacements,
            seed=seed,
            interpolation=self.interpolation,
        )
        return {IMAGES: np.ascontiguousarray(found.images[:, 0, 0], dtype=np.float32)}


@dataclass(frozen=True, kw_only=True)
class MultisliceHAADF(_CleanImages):
    """HAADF by multislice, a probe at a time: the reference, for single images (many minutes each)."""

    defoci: Sequence[float] = (0.0,)

    def calculate(
        self, atoms: Atoms, displacements: Mapping[str, float], seed: tuple[int, ...]
    ) -> dict[str, np.ndarray]:
        """Return the clean images of atoms in their square box; phonon i is drawn from [*seed, i]."""
        sides = box_sides(atoms)
        positions = scan_grid(sides, scan_points(self.energy, self.semiangle_cutoff, sides))
        images = [
            haadf_multislice(
                atoms,
                probe,
                self._annuli(),
                self._scattering(),
                displacements=displacements,
                seed=seed,
                positions=positions,
            )[0, 0]
            for probe in self.probes()
        ]
        return {IMAGES: np.stack(images).astype(np.float32)}


def _lagrange(nodes: Float[np.ndarray, " n"], at: float) -> Float[np.ndarray, " n"]:
    """Return the values at a point of the polynomials that are 1 at one node and 0 at the others."""
    own = np.eye(len(nodes), dtype=bool)
    ratios = (at - nodes)[None, :] / np.where(own, 1.0, nodes[:, None] - nodes[None, :])
    return np.asarray(np.where(own, 1.0, ratios).prod(axis=1))
