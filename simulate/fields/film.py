"""The amorphous film that particles lie on: its thickness, and the potential that makes it grainy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.ranges import Range, drawn, require_range
from simulate.tem.carbon_grain import atoms_in_volume, noise, potential_map, squared_frequencies


@dataclass(frozen=True, kw_only=True)
class Film:
    """A drawn film of amorphous carbon; its random maps follow from ``seed``.

    Parameters
    ----------
    thickness
        Mean [Å]; 0 is no film.
    density
        Atoms [1/Å³].
    roughness, correlation
        Standard deviation of the thickness [Å], and the length [Å] over which it is alike.
    slope
        (y, x) change of the mean thickness [Å/Å].
    """

    thickness: float
    density: float
    roughness: float
    correlation: float
    slope: tuple[float, float]
    seed: int

    def thickness_map(self, shape: tuple[int, int], pixel_size: float) -> Float[np.ndarray, "y x"]:
        """Return the thickness at each pixel [Å], the mean in the middle, never below 0."""
        y, x = ((np.arange(n) - n // 2) * pixel_size for n in shape)
        mean = self.thickness + self.slope[0] * y[:, None] + self.slope[1] * x
        square = squared_frequencies(shape, pixel_size)
        # Gaussian correlation exp(-r² / 2c²); power at k is 2πc² exp(-2π²c²k²), per area of a pixel.
        power = 2 * np.pi * self.correlation**2 * np.exp(-2 * (np.pi * self.correlation) ** 2 * square)
        rough = noise(np.sqrt(power) * self.roughness / pixel_size, shape, [self.seed, 0])
        return np.asarray(np.maximum(mean + rough, 0.0), dtype=np.float32)

    def potential_map(
        self, shape: tuple[int, int], pixel_size: float, highest: float
    ) -> Float[np.ndarray, "y x"]:
        """Return the grain of the projected potential [V Å], its mean taken off.

        Frequencies above ``highest`` [1/Å] are left out: what they scatter an objective aperture stops.
        """
        return potential_map(self.density * self.thickness, shape, pixel_size, highest, [self.seed, 1])


@dataclass(frozen=True, kw_only=True)
class CarbonFilm:
    """Films of amorphous carbon to draw from.

    Parameters
    ----------
    thickness
        [lowest, highest] [Å].
    density
        g/cm³.
    roughness
        [lowest, highest] standard deviation of the thickness [Å].
    correlation
        [lowest, highest] length over which the thickness is alike [Å].
    wedge
        [lowest, highest] share of its mean by which the thickness changes across the image.
    """

    thickness: Range = (50.0, 300.0)
    density: float = 2.0
    roughness: Range = (1.0, 4.0)
    correlation: Range = (20.0, 100.0)
    wedge: Range = (0.0, 0.3)

    def __post_init__(self) -> None:
        for name, unit in (("thickness", "Å"), ("roughness", "Å"), ("correlation", "Å"), ("wedge", "")):
            require_range(name, getattr(self, name), unit, low=0.0)
        if not self.density > 0:
            raise InputError(f"density of the film must be positive, got {self.density} g/cm³")

    def draw(self, side: float, rng: np.random.Generator) -> Film:
        """Draw a film under an image of an edge [Å]."""
        thickness = drawn(self.thickness, rng)
        change, towards = drawn(self.wedge, rng) * thickness / side, rng.uniform(0, 2 * np.pi)
        return Film(
            thickness=thickness,
            density=atoms_in_volume(self.density),
            roughness=drawn(self.roughness, rng),
            correlation=drawn(self.correlation, rng),
            slope=(float(change * np.sin(towards)), float(change * np.cos(towards))),
            seed=int(rng.integers(2**31)),
        )
