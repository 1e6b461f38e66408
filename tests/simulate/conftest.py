import numpy as np
import pytest

from simulate.exit_wave import ExitWaves, WaveRecipe, enclose, exit_waves
from simulate.structures import ParticleRecipe, make_particle
from simulate.truth import Columns, columns_of


@pytest.fixture(scope="session")
def small_recipe() -> ParticleRecipe:
    return ParticleRecipe(diameter=(10.0, 11.0), depth=(2, 3), steps=1, mistilt=0.0)


@pytest.fixture(scope="session")
def quick_waves() -> WaveRecipe:
    return WaveRecipe(frozen_phonons=2, slice_thickness=2.0, padding=5.0)


@pytest.fixture(scope="session")
def ceria(small_recipe: ParticleRecipe, quick_waves: WaveRecipe) -> tuple[ExitWaves, Columns]:
    particle = make_particle(small_recipe, np.random.default_rng([3, 1]))
    atoms = enclose(particle.atoms(), quick_waves)
    sigma = particle.sites.crystal.thermal_displacements
    return exit_waves(atoms, quick_waves, displacements=sigma, seed=(3, 1)), columns_of(atoms)
