from pathlib import Path

import pytest

from simulate.shards.generate import generate
from simulate.structures.orientation import ZoneAxis
from simulate.structures.recipe import ParticleRecipe
from simulate.tem.exit_wave import Multislice
from simulate.tem.hrtem import HRTEM
from simulate.tem.microscope import Microscope


@pytest.fixture(scope="session")
def small_recipe() -> ParticleRecipe:
    return ParticleRecipe(
        diameter=(10.0, 11.0), depth=(2, 3), orientation=ZoneAxis(axes=((1, 1, 0),), mistilt=0.0)
    )


@pytest.fixture(scope="session")
def quick_waves() -> HRTEM:
    return HRTEM(multislice=Multislice(slice_thickness=2.0), diffuse_waves=1, padding=5.0)


@pytest.fixture(scope="session")
def ceria_shards(tmp_path_factory, small_recipe: ParticleRecipe, quick_waves: HRTEM) -> Path:
    """Two small ceria particles on [110]."""
    return generate(
        structures=small_recipe,
        imaging=quick_waves,
        microscope=Microscope(dose=3000.0),
        output=tmp_path_factory.mktemp("ceria") / "shards",
        n_structures=2,
        seed=3,
    )
