"""Strain: one throughout, one that varies smoothly at random, one between a core and its shell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from simulate.defects.drawing import Range, noted
from simulate.defects.elasticity import poisson_ratio
from simulate.defects.smooth import smooth_field
from simulate.defects.surroundings import all_gently
from simulate.ranges import drawn, require_range
from simulate.structures.particle import Particle


@dataclass(frozen=True, kw_only=True)
class StrainField:
    """A homogeneous strain and on top of it a smooth random one.

    Parameters
    ----------
    dilation
        Relative change of all lengths.
    distortion
        Root mean square over the nine components of a random traceless strain.
    rms
        Root mean square over the atoms and over the nine components of the strain that varies.
    length
        Distance over which it varies [Å]: its displacements correlate as exp(-r² / 2 length²).
    """

    # Small metal particles contract by up to about 1 % (Wasserman & Vermaak, Surf. Sci. 32 (1972) 168), ceria
    # of a few nanometres expands as much (Tsunekawa et al., Phys. Rev. Lett. 85 (2000) 3440).
    dilation: Range = (-0.01, 0.01)
    distortion: Range = (0.0, 0.004)
    rms: Range = (0.0, 0.01)
    length: Range = (8.0, 25.0)

    def __post_init__(self) -> None:
        require_range("dilation", self.dilation, "of the length", low=-0.1, high=0.1)
        require_range("distortion", self.distortion, "strain", low=0, high=0.05)
        require_range("rms", self.rms, "strain", low=0, high=0.05)
        require_range("length", self.length, "Å", low=1)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the strained particle; its middle stays where it is."""
        positions, filled = particle.sites.positions, particle.occupied
        strain = drawn(self.dilation, rng) * np.eye(3) + _traceless(drawn(self.distortion, rng), rng)
        rms, length = drawn(self.rms, rng), drawn(self.length, rng)
        moved = positions @ strain + _varying(positions, filled, rms, length, rng)
        return noted(
            all_gently(particle, moved - moved[filled].mean(axis=0)),
            "StrainField",
            strain=strain.tolist(),
            rms=rms,
            length=length,
        )


def _traceless(rms: float, rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """Return a random symmetric tensor without trace."""
    tensor = rng.standard_normal((3, 3))
    tensor = (tensor + tensor.T) / 2
    tensor -= np.trace(tensor) / 3 * np.eye(3)
    return np.asarray(rms * tensor / np.sqrt((tensor**2).mean()))


def _varying(
    positions: Float[np.ndarray, "n 3"],
    filled: np.ndarray,
    rms: float,
    length: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "n 3"]:
    """Return smooth random displacements whose strain is ``rms`` over the filled sites."""
    field = smooth_field(length, 3, rng)
    slope = field.gradient(positions[filled])
    strain = (slope + slope.transpose(0, 2, 1)) / 2
    return np.asarray(field.at(positions) * rms / np.sqrt((strain**2).mean()))


@dataclass(frozen=True, kw_only=True)
class CoreShellStrain:
    """Coherent strain of a spherical core that would rather be larger or smaller than the shell lets it.

    Eshelby's inclusion in the middle of a sphere whose surface is free, both isotropic and of one
    stiffness: displacements are radial, linear within the core, A r + B / r² in the shell.

    Parameters
    ----------
    core
        Radius of the core over that of the particle.
    misfit
        How much larger the core's lattice constant would be on its own, relative.
    """

    core: Range = (0.4, 0.7)
    misfit: Range = (-0.04, 0.04)

    def __post_init__(self) -> None:
        require_range("core", self.core, "of the radius", low=0, high=1)
        require_range("misfit", self.misfit, "of the lattice constant", low=-0.1, high=0.1)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with its core strained against its shell."""
        core, misfit = drawn(self.core, rng), drawn(self.misfit, rng)
        filled = particle.sites.positions[particle.occupied]
        from_middle = particle.sites.positions - filled.mean(axis=0)
        # The radius of the sphere that has the particle's radius of gyration.
        radius = np.sqrt(5 / 3 * ((filled - filled.mean(axis=0)) ** 2).sum(axis=1).mean())
        field = _inclusion(from_middle, core, radius, poisson_ratio(particle.sites.crystal.name))
        return noted(
            all_gently(particle, misfit * field),
            "CoreShellStrain",
            core=core,
            misfit=misfit,
            radius=float(radius),
        )


def _inclusion(
    points: Float[np.ndarray, "n 3"], core: float, radius: float, poisson: float
) -> Float[np.ndarray, "n 3"]:
    """Return displacements for unit misfit: continuous, with no traction on the sphere of ``radius``."""
    distance = np.linalg.norm(points, axis=1, keepdims=True)
    image = 2 * (1 - 2 * poisson) / (3 * (1 - poisson)) * core**3
    own = (1 + poisson) / (3 * (1 - poisson))
    within = np.minimum(1.0, (core * radius / np.maximum(distance, 1e-9)) ** 3)
    return np.asarray(points * (image + own * within))
