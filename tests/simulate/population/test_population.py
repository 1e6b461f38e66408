"""Populations: how many of what, where, and the truth that is written beside the images."""

from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest
import tifffile

from nanonet.configuration import build, compose
from nanonet.io import read_series
from nanonet.records import InputError
from simulate.fields import LogNormal
from simulate.population import (
    FocusedHAADF,
    Kind,
    PopulationRecipe,
    generate_population,
    preview_population,
    read_fields,
    read_truth,
)
from simulate.population.generate import Experiment
from simulate.population.truth_table import ROTATION
from simulate.stem.microscope import ScanningMicroscope
from simulate.structures import Sphere


@pytest.fixture(scope="module")
def folder(tmp_path_factory, recipe, imaging, microscope) -> Path:
    return generate_population(
        recipe=recipe,
        imaging=imaging,
        microscope=microscope,
        output=tmp_path_factory.mktemp("population") / "made",
        seed=3,
    )


@pytest.fixture(scope="module")
def truth(folder: Path) -> pd.DataFrame:
    return read_truth(folder)


def test_whole_particles_add_up_to_the_number_asked_for(truth, recipe) -> None:
    whole = truth[~truth.touches_border]
    assert len(whole) == recipe.particles == sum(recipe.count(3, i) for i in range(recipe.images))
    cut = truth[truth.touches_border].groupby("image").size()
    assert 1 <= cut.min() <= cut.max() <= 2
    assert set(truth.kind) == {"sphere", "cube", "star"}


def test_shares_of_kinds_and_outliers_are_met(recipe) -> None:
    rng = np.random.default_rng(0)
    drawn = [recipe._particle(rng) for _ in range(600)]
    names = [particle.shape for particle in drawn]
    assert names.count("cube") / 600 == pytest.approx(0.5, abs=0.07)
    kinds = [type(particle.solid).__name__ for particle in drawn]
    assert kinds.count("Cut") / 600 == pytest.approx(0.1, abs=0.04)
    assert kinds.count("Pair") / 600 == pytest.approx(0.1, abs=0.04)


def test_readers_find_pixel_size_energy_and_modality(folder) -> None:
    series = read_series(folder / "images")
    assert [shot.name for shot in series] == [f"population_{i:04d}.dm4" for i in range(4)]
    for shot in series:
        assert shot.image.shape == (160, 176)
        assert shot.pixel_size == pytest.approx(4.0)
        assert shot.modality == "HAADF"
        assert shot.energy == pytest.approx(2e5)


def test_labels_lie_where_the_table_says_and_images_are_bright_there(folder, truth) -> None:
    for name, rows in truth.groupby("image"):
        labels = tifffile.imread(folder / "labels" / f"{Path(str(name)).stem}.tif")
        image = np.asarray(read_series(folder / "images" / str(name))[0].image, dtype=float)
        assert image[labels > 0].mean() > 2 * image[labels == 0].mean()
        alone = rows[(rows.neighbours == "") & ~rows.touches_border]
        for row in alone.itertuples():
            y, x = np.nonzero(labels == row.particle_id)
            assert np.hypot(y.mean() * 0.4 - row.centroid_y_nm, x.mean() * 0.4 - row.centroid_x_nm) < 0.01
            assert len(y) * 0.16 == pytest.approx(row.area_nm2)
            if row.kind == "sphere" and row.state == "whole":
                assert np.hypot(row.y_nm - row.centroid_y_nm, row.x_nm - row.centroid_x_nm) < 0.1
                # Where it is 1 nm thick or more.
                assert row.area_nm2 == pytest.approx(np.pi / 4 * (row.diameter_nm**2 - 1), rel=0.06)
                assert row.volume_nm3 == pytest.approx(np.pi / 6 * row.diameter_nm**3, rel=0.03)


def test_neighbours_are_mutual_and_those_that_overlap_are_among_them(truth) -> None:
    near = {(r.image, r.particle_id): {int(i) for i in r.neighbours.split()} for r in truth.itertuples()}
    assert any(near.values())
    for (image, particle), others in near.items():
        assert all(particle in near[image, other] for other in others)
    assert (truth[truth.overlapped > 0].neighbours != "").all()


def test_rotations_are_rotations_and_only_stars_are_etched(truth) -> None:
    turns = truth[list(ROTATION)].to_numpy().reshape(-1, 3, 3)
    np.testing.assert_allclose(
        turns @ turns.transpose(0, 2, 1), np.eye(3)[None].repeat(len(turns), 0), atol=1e-5
    )
    np.testing.assert_allclose(np.linalg.det(turns), 1.0, atol=1e-5)
    assert (truth.etching.notna() == (truth.kind == "star")).all()


def test_a_run_goes_on_and_its_images_follow_from_seed_and_index(
    folder, recipe, imaging, microscope, tmp_path
):
    parts = {"recipe": recipe, "imaging": imaging, "microscope": microscope}
    again = generate_population(**parts, output=tmp_path / "again", n_structures=2, seed=3)
    name = "population_0001.dm4"
    first, second = (read_series(each / "images" / name)[0].image for each in (folder, again))
    np.testing.assert_array_equal(first, second)
    before = (again / "images" / name).stat().st_mtime_ns
    (again / "truth" / "population_0000.csv").unlink()
    generate_population(**parts, output=again, n_structures=3, seed=3)
    assert (again / "images" / name).stat().st_mtime_ns == before
    shown = read_truth(folder)
    pd.testing.assert_frame_equal(read_truth(again), shown[shown.image < "population_0003"])
    with pytest.raises(InputError, match="another recipe or seed"):
        generate_population(**parts, output=again, seed=4)
    with pytest.raises(InputError, match="n_structures must be 1 to 4"):
        generate_population(**parts, output=tmp_path / "many", n_structures=5)


def test_fields_are_drawn_again_from_the_manifest(folder, truth) -> None:
    fields = read_fields(folder)
    assert sum(len(field.particles) for field in fields) == len(truth)
    rows = truth[truth.image == "population_0003.dm4"]
    for row, particle in zip(rows.itertuples(), fields[3].particles, strict=True):
        assert (row.kind, row.diameter_nm) == (
            particle.shape,
            pytest.approx(particle.diameter / 10, rel=1e-6),
        )
        np.testing.assert_allclose([getattr(row, r) for r in ROTATION], particle.rotation.ravel(), atol=1e-6)
    with pytest.raises(InputError, match="holds no population"):
        read_fields(folder / "images")


def test_each_kind_has_its_mean_shape(folder) -> None:
    with mrcfile.open(folder / "volumes" / "cube.mrc") as file:
        assert file.voxel_size.x == pytest.approx(8.0)
        assert file.data.max() == pytest.approx(12.0, rel=0.02)  # g/cm³ of palladium


def test_particles_that_find_no_room_are_told(recipe) -> None:
    huge = Kind(name="huge", material="Au", shape=Sphere(), diameter=LogNormal(median=400.0, spread=0.0))
    with pytest.raises(InputError, match="find no room"):
        PopulationRecipe(kinds=(huge,), particles=8, images=1, shape=(160, 160)).draw(0, 0, 4.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kinds": ()}, "at least one"),
        ({"broken": 0.7, "fused": 0.4}, "together at most 1"),
        ({"particles": 0}, "at least one of particles"),
        ({"shape": (8, 8)}, "16 pixels"),
    ],
)
def test_what_cannot_be_a_population_is_refused(recipe, change, message) -> None:
    with pytest.raises(InputError, match=message):
        replace(recipe, **change)
    with pytest.raises(InputError, match="known: sphere, cube, star"):
        recipe.kind("rod")


def test_a_preview_is_a_picture(recipe, imaging, microscope, tmp_path) -> None:
    file = preview_population(
        recipe=recipe, imaging=imaging, microscope=microscope, output=tmp_path / "sheet.png", samples=2
    )
    assert file.stat().st_size > 20_000


@pytest.mark.parametrize(("name", "kinds", "dose"), [("slater", 3, 360.6), ("hard", 5, 180.3)])
def test_the_experiments_are_as_published(name: str, kinds: int, dose: float, tmp_path: Path) -> None:
    config = compose("simulate", [f"experiment=population_{name}", f"output={tmp_path}"])
    assert config.simulate.n_structures == 136
    recipe, imaging, microscope = (build(config[part]) for part in ("population", "imaging", "microscope"))
    assert isinstance(recipe, PopulationRecipe)
    assert isinstance(imaging, FocusedHAADF)
    assert isinstance(microscope, ScanningMicroscope)
    assert (len(recipe.kinds), recipe.particles, recipe.images) == (kinds, 1337, 136)
    setting = Experiment(recipe=recipe, imaging=imaging, microscope=microscope, seed=0).setting(0)
    assert setting.dose == pytest.approx(dose)
    assert setting.dose * setting.pixel_size**2 * 1.602e-19 / setting.noise.dwell == pytest.approx(
        13e-12, rel=1e-3
    )
    assert (setting.probe.energy, setting.probe.semiangle_cutoff, imaging.inner) == (2e5, 23.0, 80.0)
    assert recipe.broken + recipe.fused == pytest.approx(0.1 if name == "hard" else 0.0)
    preview = compose("simulate", ["make=preview", f"experiment=population_{name}", f"output={tmp_path}"])
    assert preview.simulate._target_ == "simulate.population.preview_population"
