"""HAADF of populations: mass-thickness, each height as sharp as the probe is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.crystals import Crystal
from simulate.fields.field import MARGIN, Field, FieldTruth
from simulate.fields.haadf import mass_thickness
from simulate.fields.particle import FieldParticle, Outline, outline
from simulate.fields.plural import share_on_annulus
from simulate.fields.scattering import number_densities
from simulate.population.focus import transfer
from simulate.stem.microscope import ScanSetting


@dataclass(frozen=True, kw_only=True)
class FocusedHAADF:
    """An annular detector behind particles whose every height has its own focus.

    What atoms scatter is `simulate.fields.plural`'s: thickness by thickness, with saturation, without
    channelling. A particle's signal comes from its heights in proportion to the matter there. Particles that
    lie over each other add up. Against multislice off zone axes (benchmarks/population_haadf.py --quick),
    small particles are right to 4 %, slabs of 10 to 20 nm on the whole some 10 % too bright, at worst 19 %.

    Parameters
    ----------
    inner, outer
        Scattering angles that the detector collects [mrad].
    slab
        Height [Å] that counts as in one focus.
    thin
        Å that a particle must be thick on a pixel to cover it in the truth: an etched face leaves fins around
        it that no image shows.
    """

    inner: float = 80.0
    outer: float = 160.0
    slab: float = 25.0
    thin: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.inner < self.outer <= 250:
            raise InputError(
                f"HAADF needs 0 < inner < outer <= 250 mrad, got {self.inner} and {self.outer} mrad"
            )
        if not self.slab > 0 or not self.thin >= 0:
            raise InputError(f"slab must be positive and thin not negative, got {self.slab}, {self.thin} Å")

    def truth(self, field: Field) -> FieldTruth:
        """Return the truth of a field; its outlines are in slabs by height in place of grains."""
        heights = self._heights(field.particles)
        whole = (outline(p, field.pixel_size, heights) for p in field.particles)
        return FieldTruth(field=field, outlines=tuple(self._seen(each) for each in whole))

    def _seen(self, whole: Outline) -> Outline:
        """Return an outline that covers the pixels on which there is enough of the particle."""
        mask = whole.mask & (whole.total >= self.thin)
        return replace(whole, mask=mask, area=float(mask.sum()))

    def _heights(self, particles: Sequence[FieldParticle]) -> list[float]:
        """Return the edges of the slabs [Å]."""
        low = min((p.height - p.solid.reach for p in particles), default=0.0)
        high = max((p.height + p.solid.reach for p in particles), default=0.0)
        count = max(1, int(np.ceil((high - low) / self.slab)))
        return [float(edge) for edge in np.linspace(low, low + count * self.slab, count + 1)]

    def expected(self, truth: FieldTruth, setting: ScanSetting) -> Float[np.ndarray, "y x"]:
        """Return the electrons that each pixel expects, before scan and detector: float32.

        Defocus counts from the median of the heights that particles' middles have.

        Parameters
        ----------
        truth
            From `truth`.
        """
        share = self._share(truth, setting)[MARGIN:-MARGIN, MARGIN:-MARGIN]
        dose = setting.dose * setting.pixel_size**2
        return np.asarray(np.maximum(dose * share, 0.0), dtype=np.float32)

    def _share(self, truth: FieldTruth, setting: ScanSetting) -> Float[np.ndarray, "v u"]:
        """Return the share of the beam on the detector, on the image and its margin."""
        from scipy.fft import irfft2, rfft2

        field, probe = truth.field, setting.probe
        if setting.drift != (0.0, 0.0):
            raise InputError("specimens of a population do not drift: give microscope.drift=0")
        angles = (probe.semiangle_cutoff, self.inner, self.outer)
        ky, kx = (
            np.fft.fftfreq(field.canvas[0], field.pixel_size),
            np.fft.rfftfreq(field.canvas[1], field.pixel_size),
        )
        frequency = np.hypot(ky[:, None], kx).astype(np.float32)
        focal = float(np.median([p.height for p in field.particles])) if field.particles else 0.0
        bare = FieldTruth(field=replace(field, particles=()), outlines=())
        film = mass_thickness(bare, probe.energy, angles, {})
        below = 0.0 if field.film is None else field.film.thickness / 2
        spectrum = rfft2(film) * transfer(probe, below - focal, frequency)
        heights = self._heights(field.particles)
        middles = np.add(heights[:-1], heights[1:]) / 2
        for middle, signal in zip(middles, self._slabs(truth, probe.energy, angles), strict=True):
            if signal is not None:
                spectrum += rfft2(signal) * transfer(probe, float(middle) - focal, frequency)
        return np.asarray(irfft2(spectrum, s=field.canvas), dtype=np.float32)

    def _slabs(
        self, truth: FieldTruth, energy: float, angles: tuple[float, float, float]
    ) -> list[Float[np.ndarray, "v u"] | None]:
        """Return what the matter in each slab adds to the share on the detector, None where there is none."""
        field = truth.field
        carbon = 0.0 if field.film is None else field.film.density * field.film.thickness
        found: list[np.ndarray | None] = [None] * (len(self._heights(field.particles)) - 1)
        for particle, each in truth.solids:
            total = each.total
            steps = np.linspace(0.0, max(float(total.max()), 1e-3), 33)
            table = added_share(particle.crystal, steps, carbon, energy, angles)
            # Per thickness, which is finite also where there is none.
            gain = np.interp(total, steps, np.append(table[1] / steps[1], table[1:] / steps[1:]))
            image, own = each.clip(field.canvas, MARGIN)
            for index, thickness in enumerate(each.thickness):
                if thickness.any():
                    slab = found[index]
                    if slab is None:
                        slab = found[index] = np.zeros(field.canvas, dtype=np.float32)
                    slab[image] += (gain * thickness)[own]
        return found


def added_share(
    crystal: Crystal,
    thickness: Float[np.ndarray, " t"],
    carbon: float,
    energy: float,
    angles: tuple[float, float, float],
) -> Float[np.ndarray, " t"]:
    """Return what thicknesses [Å] of a crystal add to the share of the beam on an annulus, film included.

    Parameters
    ----------
    carbon
        Atoms of the film [1/Å²].
    angles
        Semi-angle of the illumination, inner and outer angle of the detector [mrad].
    """
    densities = number_densities(crystal)
    atoms = np.column_stack([np.full(len(thickness), carbon), np.outer(thickness, list(densities.values()))])
    symbols = ("C", *densities)
    alone = share_on_annulus(np.array([[carbon, *[0.0] * len(densities)]]), symbols, energy, angles)
    return np.asarray(share_on_annulus(atoms, symbols, energy, angles) - alone)


def particle_image(
    particle: FieldParticle, imaging: FocusedHAADF, setting: ScanSetting, pixels: int
) -> Float[np.ndarray, "y x"]:
    """Return the electrons a pixel that one particle without a film is expected to give: float32.

    Its origin is on pixel ``pixels // 2``; the image is that of its volume turned by ``particle.rotation``
    (column vectors (x, y, z)) and projected along z.
    """
    middle = pixels // 2 * setting.pixel_size
    field = Field(
        particles=(replace(particle, position=(middle, middle), height=0.0),),
        film=None,
        pixel_size=setting.pixel_size,
        shape=(pixels, pixels),
    )
    return imaging.expected(imaging.truth(field), setting)
