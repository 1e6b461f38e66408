"""Bright-field TEM of fields: mass-thickness, diffraction contrast, and what defocus makes of phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex64, Float

from simulate.crystals import Crystal
from simulate.fields.diffraction import bragg_transmission
from simulate.fields.field import MARGIN, FieldTruth
from simulate.fields.imaging import FieldImage, require_energies, without_margin
from simulate.fields.scattering import (
    Reflections,
    cross_section,
    inner_potential,
    number_densities,
    reflections,
)
from simulate.ranges import Range, drawn, limits, require_range
from simulate.tem.optics import Optics, wavelength
from simulate.tem.scattering_factor import interaction


@dataclass(frozen=True, kw_only=True)
class FieldBrightField:
    """A TEM with an objective aperture; every range is a number or [lowest, highest].

    Parameters
    ----------
    energies
        Beam energies [eV], one drawn an image.
    aperture
        Semi-angle of the objective aperture [mrad].
    defocus
        Å, positive = underfocus; drawn uniformly as far as ``fringe`` allows.
    fringe
        Widest Fresnel fringe √(λ |defocus|) in pixels: at high magnification nobody is far from focus.
    Cs
        C30 [Å].
    focal_spread
        Standard deviation of the defocus [Å].
    angular_spread
        Standard deviation of the illumination's angles along one axis [mrad].
    astigmatism
        C12 [Å]; its direction is random.
    """

    energies: Sequence[float] = (8e4, 1.2e5, 2e5, 3e5)
    aperture: Range = (8.0, 20.0)
    defocus: Range = (-3000.0, 10000.0)
    fringe: float = 5.0
    Cs: Range = 1.2e7
    focal_spread: Range = (40.0, 80.0)
    angular_spread: Range = (0.05, 0.5)
    astigmatism: Range = (0.0, 200.0)

    def __post_init__(self) -> None:
        require_energies(self.energies)
        require_range("aperture", self.aperture, "mrad", low=0.1)
        for name, unit in (("focal_spread", "Å"), ("angular_spread", "mrad"), ("astigmatism", "Å")):
            require_range(name, getattr(self, name), unit, low=0.0)

    def image(self, truth: FieldTruth, rng: np.random.Generator) -> FieldImage:
        """Draw the settings and return the image."""
        names = ("aperture", "Cs", "focal_spread", "angular_spread", "astigmatism")
        energy = float(rng.choice(self.energies))
        settings = {"energy": energy, **{name: drawn(getattr(self, name), rng) for name in names}}
        widest = (self.fringe * truth.field.pixel_size) ** 2 / wavelength(energy)
        low, high = np.clip(limits(self.defocus), -widest, widest)
        settings["defocus"] = float(rng.uniform(low, high))
        settings["astigmatism_angle"] = float(rng.uniform(0, np.pi))
        return FieldImage(
            intensity=bright_field(truth, Optics(**settings)), modality="BF-TEM", settings=settings
        )


def bright_field(truth: FieldTruth, optics: Optics) -> Float[np.ndarray, "y x"]:
    """Return the image of a field, relative to the incident intensity.

    The wave behind the specimen is a exp(iφ). a² is what passes the aperture: exp(-Σ N σ) for what atoms of
    the film scatter beyond it, the same with diffuse scattering only for crystals, and what their
    reflections leave (`bragg_transmission`). φ is σ times the projected potential: mean inner potential of
    particles, grain of the film. The lens images the mean of the wave over each pixel; what varies
    within pixels, and cannot interfere with anything the image resolves, is added as intensity, so that in
    focus the image is a² whatever the pixel size.

    Parameters
    ----------
    optics
        One setting, with an aperture.
    """
    import torch

    from simulate.tem.image import image_intensity

    intensity, phase = transmission(truth, optics)
    gradients = np.gradient(phase)
    share = np.sinc(gradients[0] / (2 * np.pi)) * np.sinc(gradients[1] / (2 * np.pi))
    wave: Complex64[np.ndarray, "y x"] = np.sqrt(intensity) * share * np.exp(1j * phase)
    elastic = torch.fft.fft2(torch.from_numpy(wave.astype(np.complex64)))
    none = torch.zeros((0, *elastic.shape), dtype=elastic.dtype)
    pixel_size = truth.field.pixel_size
    # What atoms scatter beyond the aperture is in a² already: here it limits how sharp particles are, where
    # pixels show that.
    stops = wavelength(optics.energy) / (2 * pixel_size) > 2e-3 * float(optics.aperture or np.inf)
    lens = optics if stops else replace(optics, aperture=None)
    seen = image_intensity(elastic, none, pixel_size, lens).numpy()
    return without_margin(seen + intensity * (1 - share**2))


def transmission(
    truth: FieldTruth, optics: Optics
) -> tuple[Float[np.ndarray, "y x"], Float[np.ndarray, "y x"]]:
    """Return what passes the aperture (share of the beam) and the phase [rad], on image and margin."""
    aperture = float(optics.aperture or 0.0)
    scale, sigma = truth.field.pixel_size, interaction(optics.energy)
    lost = np.zeros(truth.field.canvas, dtype=np.float32)
    phase = np.zeros_like(lost)
    film = truth.field.film
    if film is not None:
        thickness = film.thickness_map(lost.shape, scale)
        lost += thickness * np.float32(film.density * cross_section("C", optics.energy, aperture))
        grain = film.potential_map(lost.shape, scale, 1e-3 * aperture / wavelength(optics.energy))
        phase += sigma * (grain + thickness * np.float32(inner_potential({"C": film.density})))
    passed = np.exp(-lost)
    kinds = {id(particle.crystal): particle.crystal for particle, _ in truth.solids}
    crystals = {key: _optical(crystal, optics) for key, crystal in kinds.items()}
    for particle, outline in truth.solids:
        image, own = outline.clip(lost.shape, MARGIN)
        if not outline.mask[own].size:
            continue
        crystal = crystals[id(particle.crystal)]
        total = outline.total[own]
        passed[image] *= np.exp(-total * np.float32(crystal.loss))
        if not particle.amorphous:
            passed[image] *= bragg_transmission(particle, outline, scale, crystal.reflections)[own]
        phase[image] += total * np.float32(crystal.phase)
    return passed, phase


@dataclass(frozen=True, kw_only=True)
class _Optical:
    """What a crystal does to the beam: diffuse loss and phase [rad] of a thickness [1/Å], its reflections."""

    loss: float
    phase: float
    reflections: Reflections


def _optical(crystal: Crystal, optics: Optics) -> _Optical:
    aperture, densities = float(optics.aperture or 0.0), number_densities(crystal)
    moves = crystal.thermal_displacements
    losses = (
        density * cross_section(symbol, optics.energy, aperture, displacement=moves[symbol])
        for symbol, density in densities.items()
    )
    return _Optical(
        loss=sum(losses),
        phase=interaction(optics.energy) * inner_potential(densities),
        reflections=reflections(crystal, optics.energy, aperture),
    )
