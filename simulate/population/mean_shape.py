"""The mean shape of particles: the map that a perfect reconstruction of them would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nanonet.records import Volume
from simulate.crystals import Crystal
from simulate.fields.particle import FieldParticle
from simulate.fields.scattering import number_densities
from simulate.population.recipe import PopulationRecipe

G_PER_CM3 = 1.66053906660
"""Of one dalton in a cubic ångström."""


def kind_shape(
    recipe: PopulationRecipe,
    name: str,
    voxel_size: float,
    *,
    edge: int | None = None,
    probe: float = 0.5,
    draws: int = 48,
    seed: int = 0,
) -> Volume:
    """Return the mean shape of a kind, of particles drawn anew; see `mean_shape`."""
    kind, rng = recipe.kind(name), np.random.default_rng([seed, 1, 8])
    particles = [kind.particle(kind.shape, rng) for _ in range(draws)]
    return mean_shape(particles, voxel_size, edge=edge, probe=probe, seed=seed)


def mean_shape(
    particles: Sequence[FieldParticle],
    voxel_size: float,
    *,
    edge: int | None = None,
    probe: float = 0.5,
    seed: int = 0,
) -> Volume:
    """Return the mean mass density [g/cm³] of particles, each in its solid's own frame.

    A particle's image is that of its volume turned by its rotation (column vectors (x, y, z)) and projected
    along z. Each voxel asks whether a random point of it lies inside, so that a mean over many is smooth.

    Parameters
    ----------
    voxel_size
        Å.
    edge
        Voxels of the cube, even; None for one that holds the largest particle with a tenth to spare.
    probe
        Standard deviation of a Gaussian that the volume is blurred by [Å].
    """
    from scipy.ndimage import gaussian_filter

    reach = max(particle.solid.reach for particle in particles)
    edge = edge or 2 * int(np.ceil(1.1 * reach / voxel_size))
    axis = (np.arange(edge, dtype=np.float32) - edge // 2) * np.float32(voxel_size)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    points = np.stack([x, y, z], axis=-1)
    total, rng = np.zeros((edge, edge, edge)), np.random.default_rng([seed, 2, 8])
    for particle in particles:
        density = _mass_density(particle.crystal)
        # Only where the particle may be: most of the cube is empty around small ones.
        own = np.abs(axis) <= particle.solid.reach + voxel_size
        box = np.ix_(own, own, own)
        jitter = rng.uniform(-0.5, 0.5, (int(own.sum()),) * 3 + (3,)).astype(np.float32)
        held = particle.solid.inside((points[box] + jitter * np.float32(voxel_size)).reshape(-1, 3))
        total[box] += density * held.reshape(jitter.shape[:3])
    mean = gaussian_filter(total / len(particles), probe / voxel_size, mode="constant")
    return Volume(density=mean.astype(np.float32), voxel_size=voxel_size)


def _mass_density(crystal: Crystal) -> float:
    """Return g/cm³."""
    from ase.data import atomic_masses, atomic_numbers

    densities = number_densities(crystal).items()
    return G_PER_CM3 * sum(float(atomic_masses[atomic_numbers[symbol]]) * n for symbol, n in densities)
