"""Training populations: views of several kinds of bodies in HAADF, as if cut out of the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from nanonet.records import ParticleImages, PopulationSample
from simulate.bodies import SIZE, Bodies
from simulate.ranges import Range, drawn, log_drawn, require_range

ROOM = 1.35
"""Side of a cut over the longest particle, as the pipeline cuts them."""
_CARBON = 1.2e-5
"""Share of the beam that an Å of amorphous carbon scatters onto an annulus of 80 to 160 mrad."""
_LIKE_MATTER = 0.25
"""Share of populations that are of one matter: in them only the shape tells."""


@dataclass(frozen=True, kw_only=True)
class PopulationRanges:
    """What populations are drawn from; logarithms of sizes, doses and scattering are uniform.

    Parameters
    ----------
    diameter
        Median diameter of a population [Å].
    sizes
        Largest over smallest diameter of a kind.
    scattering
        Share of the beam that an Å of a population's matter scatters onto the detector: titania to platinum.
    matter
        Standard deviation of its logarithm among the kinds.
    dose
        e/Å².
    blur
        Standard deviation of the probe [Å].
    film
        Carbon [Å].
    level
        Standard deviation of the error of a particle's background, of its mean signal.
    """

    diameter: Range = (50.0, 250.0)
    sizes: Range = (1.0, 2.6)
    scattering: Range = (1e-4, 6e-4)
    matter: float = 0.4
    dose: Range = (30.0, 3000.0)
    blur: Range = (0.5, 6.0)
    film: Range = (20.0, 200.0)
    level: float = 0.01

    def __post_init__(self) -> None:
        for name, unit in (("diameter", "Å"), ("sizes", ""), ("scattering", "1/Å"), ("dose", "e/Å²")):
            require_range(name, getattr(self, name), unit)
        require_range("blur", self.blur, "Å", low=0.0)
        require_range("film", self.film, "Å", low=0.0)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A particle to be recorded: thickness [Å] on pixels of ``spacing`` Å, and what an Å of it scatters."""

    thickness: Float32[np.ndarray, "y x"]
    spacing: float
    reach: float
    scattering: float


class BodySampler:
    """Draws populations of bodies; each kind is of a matter of its own.

    Parameters
    ----------
    bodies
        Kinds to draw from.
    ranges
        Sizes, matter, dose and focus.
    shown, strange
        Particles of each kind in a population, and of those that are broken or fused.
    edge
        Pixels of a cut's side.
    """

    def __init__(
        self,
        bodies: Bodies | None = None,
        ranges: PopulationRanges | None = None,
        shown: int = 10,
        strange: int = 1,
        edge: int = 64,
    ) -> None:
        self.bodies = bodies or Bodies()
        self.ranges = ranges or PopulationRanges()
        self.shown = shown
        self.strange = strange
        self.edge = edge

    @property
    def structures(self) -> range:
        """Numbers of the kinds."""
        return range(len(self.bodies))

    def draw(self, structures: Sequence[int], rng: np.random.Generator) -> PopulationSample:
        """Draw a population of kinds."""
        ranges = self.ranges
        dose, blur, film = log_drawn(ranges.dose, rng), drawn(ranges.blur, rng), drawn(ranges.film, rng)
        seen = self._particles(structures, rng)
        pixel = ROOM * 2 * float(np.quantile([one.reach for one in seen], 0.98)) / self.edge
        electrons = dose * pixel**2
        images = []
        for one in seen:
            level = electrons * _CARBON * film
            signal = electrons * self._projected(one, pixel, blur, rng)
            counts = rng.poisson(signal + level) - level
            error = ranges.level * rng.standard_normal() * signal.max()
            images.append((counts + error).astype(np.float32))
        each = np.repeat([0, -1], [self.shown, self.strange])
        return PopulationSample(
            particles=ParticleImages(
                images=np.stack(images),
                particle_ids=np.arange(1, len(images) + 1),
                pixel_size=pixel,
                noise=np.full(len(images), np.sqrt(level)),
            ),
            kinds=np.concatenate([np.where(each < 0, -1, kind) for kind in range(len(structures))]),
        )

    def _particles(self, structures: Sequence[int], rng: np.random.Generator) -> list[_Seen]:
        """Draw which particles there are, kind by kind, those that are of none last."""
        ranges, seen = self.ranges, []
        middle, factor = log_drawn(ranges.diameter, rng), drawn(ranges.sizes, rng)
        matter, spread = log_drawn(ranges.scattering, rng), ranges.matter * (rng.random() >= _LIKE_MATTER)
        for structure in structures:
            body = self.bodies[structure]
            own = matter * np.exp(spread * np.clip(rng.standard_normal(), -2, 2))
            offset = 0.1 * rng.standard_normal()
            for view in self._views(body.whole, rng):
                size = middle * np.exp(offset + rng.uniform(-0.5, 0.5) * np.log(factor)) / SIZE
                seen.append(
                    _Seen(
                        thickness=body.maps[view].astype(np.float32) * np.float32(size),
                        spacing=float(body.spacing[view] * size),
                        reach=float(body.reach[view] * size),
                        scattering=float(own * (1 + 0.01 * rng.standard_normal())),
                    )
                )
        return seen

    def _views(self, whole: np.ndarray, rng: np.random.Generator) -> Int[np.ndarray, " v"]:
        good, bad = np.flatnonzero(whole), np.flatnonzero(~whole)
        return np.concatenate(
            [
                rng.choice(good, self.shown, replace=self.shown > len(good)),
                rng.choice(bad, self.strange, replace=self.strange > len(bad)),
            ]
        )

    def _projected(
        self, one: _Seen, pixel: float, blur: float, rng: np.random.Generator
    ) -> Float32[np.ndarray, "y x"]:
        """Return the share of the beam on the detector, the particle turned, mirrored and off the middle."""
        from scipy.ndimage import affine_transform, gaussian_filter

        angle, step = rng.uniform(0, 2 * np.pi), pixel / one.spacing
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = step * (turn @ np.diag([1.0, rng.choice([-1.0, 1.0])]))
        middle = (self.edge - 1) / 2 + rng.uniform(-2.0, 2.0, 2)
        fine = one.thickness if step <= 1 else gaussian_filter(one.thickness, 0.5 * np.sqrt(step**2 - 1))
        offset = (np.array(fine.shape) - 1) / 2 - matrix @ middle
        thickness = affine_transform(fine, matrix, offset, output_shape=(self.edge, self.edge), order=1)
        focused = gaussian_filter(share(thickness, one.scattering), blur / pixel, mode="constant")
        return np.asarray(np.maximum(focused, 0.0), np.float32)


def share(thickness: Float[np.ndarray, "*t"], scattering: float) -> Float[np.ndarray, "*t"]:
    """Return the share of the beam that a thickness [Å] of some matter brings onto an annulus.

    It grows a little faster than the thickness while small angles add up, and slower once much is scattered:
    a fit to `simulate.fields.plural` at 200 kV and 80 to 160 mrad, within 3 % for nickel to gold to 300 Å.

    Parameters
    ----------
    scattering
        What the first Å does.
    """
    return np.asarray(thickness * scattering * (1 + 3.5e-4 * thickness - 0.6 * scattering * thickness))
