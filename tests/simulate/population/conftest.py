import pytest

from simulate.fields import CarbonFilm, Crowding, LogNormal
from simulate.population import FocusedHAADF, Kind, PopulationRecipe
from simulate.stem.microscope import ScanningMicroscope
from simulate.structures import Cube, Sphere, Star


@pytest.fixture(scope="session")
def recipe() -> PopulationRecipe:
    """Thirty-one particles of three kinds in four small images."""
    size = LogNormal(median=40.0, spread=0.05)
    return PopulationRecipe(
        kinds=(
            Kind(name="sphere", material="Au", shape=Sphere(), diameter=size),
            Kind(name="cube", material="Pd", shape=Cube(), diameter=size, share=2.0),
            Kind(name="star", material="Pt", shape=Star(etching=(0.3, 0.5)), diameter=size),
        ),
        particles=31,
        images=4,
        shape=(160, 176),
        broken=0.1,
        fused=0.1,
        cut=(1.0, 2.0),
        crowding=Crowding(clustered=0.3, overlap=(0.0, 0.1)),
        film=CarbonFilm(thickness=40.0),
    )


@pytest.fixture(scope="session")
def imaging() -> FocusedHAADF:
    return FocusedHAADF()


@pytest.fixture(scope="session")
def microscope() -> ScanningMicroscope:
    return ScanningMicroscope(
        energy=2e5,
        semiangle_cutoff=23.0,
        pixel_size=4.0,
        dose=500.0,
        dwell=1e-5,
        astigmatism=0.0,
        coma=0.0,
        drift=0.0,
    )
