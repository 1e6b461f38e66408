"""HAADF test images: shapes that training lacks, in electrons an atom. PRISM itself has its own tests."""

from pathlib import Path

import numpy as np
import pytest
from column_depth_exposures import expose
from column_depth_haadf import CASES, PIXEL_SIZE, HAADFPlan, boxed, imaging, read_images

from nanonet.configuration import build, compose
from simulate.truth import columns_of

PLAN = HAADFPlan(particles=1, configurations=2, views=3, frame_pixels=128, diameter=10.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return stored images that show each column as a Gaussian, as strong as it has atoms."""
    place = tmp_path_factory.mktemp("haadf")
    atoms, _ = boxed(PLAN, 0)
    columns, side = columns_of(atoms).counted(), float(atoms.cell[0, 0])
    grid = side / 120 * np.indices((120, 120))
    square = sum((grid[axis][..., None] - columns.positions[:, axis]) ** 2 for axis in (0, 1))
    image = (columns.depths * np.exp(-square / (2 * 0.4**2))).sum(axis=-1)
    for configuration, share in enumerate((0.8, 1.2)):  # their mean is what counts
        stored = np.repeat(1e-3 * share * image[None], len(imaging(PLAN).defoci), axis=0)
        np.save(place / f"00_{configuration:02d}.npy", stored.astype(np.float32))
    return place


def test_cases_are_unlike_the_training() -> None:
    trained = build(compose("simulate", ["structures=fcc_zone_axes", "output=unused"]).structures)
    known = {type(shape).__name__ for recipe in trained.recipes for shape in recipe.shapes}
    assert known
    assert not known & {"Pillar", "RhombicDodecahedron"}


def test_particles_have_columns_of_many_depths() -> None:
    depths = [columns_of(boxed(HAADFPlan(), particle)[0]).counted().depths for particle in range(len(CASES))]
    assert all(len(of) >= 20 for of in depths)
    assert set(range(1, 9)) <= set(np.concatenate(depths).tolist())


def test_a_dose_of_one_is_an_electron_an_atom(folder: Path) -> None:
    movie = read_images(folder, PLAN, 0)
    assert movie.expected.sum(axis=(1, 2)) == pytest.approx(float(movie.depths[0].sum()), rel=0.01)
    counts = expose(movie, 200.0, 0).series[1].image.sum()
    noise = movie.setting.noise
    dark = noise.dark * PLAN.frame_pixels**2 * noise.gain
    assert counts - dark == pytest.approx(200.0 * movie.depths[0].sum(), rel=0.05)


def test_every_view_shows_the_columns_where_they_are_said_to_be(folder: Path) -> None:
    movie = read_images(folder, PLAN, 0)
    assert len(movie.expected) == PLAN.views
    assert np.ptp(movie.positions, axis=0).max() > 1.0  # turned, mirrored, shifted
    for frame, places, depths in zip(movie.expected, movie.positions, movie.depths, strict=True):
        y, x = np.rint(places / PIXEL_SIZE).astype(int).T
        assert np.corrcoef(frame[y, x], depths)[0, 1] > 0.9
