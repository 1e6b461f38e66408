from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nanonet.records import InputError
from simulate.microscope import Microscope
from simulate.movie import MovieRecipe, film, generate_movie

MOVIE = MovieRecipe(
    states=3, frames_per_state=2, frame_pixels=72, frame_time=0.5, gain_rate=0.5, loss_rate=0.5
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small_recipe, quick_waves) -> Path:
    return generate_movie(
        structures=small_recipe,
        exit_wave=quick_waves,
        microscope=Microscope(dose=5000.0, defocus=50.0),
        movie=MOVIE,
        output=tmp_path_factory.mktemp("movie"),
        seed=11,
        workers=1,
    )


@pytest.fixture(scope="module")
def frames(folder: Path) -> np.ndarray:
    from ncempy.io import dm

    return np.asarray(dm.dmReader(str(folder / "movie.dm4"))["data"], dtype=float)


def test_the_truth_has_just_its_columns_and_every_frame(folder):
    truth = pd.read_csv(folder / "truth.csv")
    assert list(truth) == ["frame", "column_id", "y_angstrom", "x_angstrom", "depth"]
    assert sorted(truth["frame"].unique()) == list(range(6))
    assert truth["depth"].min() >= 1
    assert not truth.duplicated(["frame", "column_id"]).any()


def test_depths_change_between_states_only(folder):
    depths = (
        pd.read_csv(folder / "truth.csv")
        .pivot_table(index="frame", columns="column_id", values="depth")
        .fillna(0)
    )
    np.testing.assert_array_equal(depths.loc[0], depths.loc[1])
    np.testing.assert_array_equal(depths.loc[4], depths.loc[5])
    assert (depths.loc[1] != depths.loc[2]).any()


def test_the_movie_has_counts_and_calibration_that_another_reader_finds(folder, frames):
    from ncempy.io import dm

    read = dm.dmReader(str(folder / "movie.dm4"))
    assert frames.shape == (6, 72, 72)
    assert read["pixelSize"][1:] == pytest.approx([0.025, 0.025])
    assert read["pixelUnit"][1:] == ["nm", "nm"]
    assert frames.mean() == pytest.approx(5000 * 0.25**2, rel=0.03)
    assert not (frames % 1).any()


def test_frames_of_one_state_differ_by_noise_and_columns_are_dark_at_the_truth(folder, frames):
    from scipy.ndimage import gaussian_filter, map_coordinates

    assert not np.array_equal(frames[0], frames[1])
    truth = pd.read_csv(folder / "truth.csv")
    for frame, rows in truth.groupby("frame"):
        smooth = gaussian_filter(frames[int(frame)], 1.0)
        values = map_coordinates(smooth, rows[["y_angstrom", "x_angstrom"]].to_numpy().T / 0.25, order=1)
        assert np.median(values) < 0.8 * 5000 * 0.25**2


def test_a_movie_follows_from_its_seed(tmp_path, folder, small_recipe, quick_waves):
    options = {
        "structures": small_recipe,
        "exit_wave": quick_waves,
        "microscope": Microscope(dose=5000.0, defocus=50.0),
        "movie": MOVIE,
        "workers": 1,
    }
    again = generate_movie(output=tmp_path / "again", seed=11, **options)
    assert (again / "truth.csv").read_bytes() == (folder / "truth.csv").read_bytes()
    assert (again / "movie.dm4").read_bytes() == (folder / "movie.dm4").read_bytes()


def test_particle_and_focus_drift_by_their_rates():
    recipe = MovieRecipe(
        states=10, frames_per_state=10, frame_time=0.5, drift=0.2, shake=0.0, focus_drift=0.3
    )
    setting = Microscope(defocus=50.0).draw(300e3, np.random.default_rng(0))
    scenes = film(recipe, setting, 45.0, np.random.default_rng(1))
    assert len(scenes) == recipe.frames == 100
    path = np.array([scene.origin for scene in scenes])
    assert np.linalg.norm(path[-1] - path[0]) == pytest.approx(0.2 * 99 * 0.5)
    np.testing.assert_allclose(path.mean(axis=0), (45.0 - 160 * 0.25) / 2)
    focus = np.array([scene.setting.optics.defocus for scene in scenes])
    assert focus.mean() == pytest.approx(50.0)
    assert abs(focus[-1] - focus[0]) == pytest.approx(0.3 * 99 * 0.5)
    assert [scene.state for scene in scenes[::10]] == list(range(10))


@pytest.mark.parametrize(
    ("key", "value"),
    [("states", 0), ("frame_time", 0.0), ("gain_rate", -1.0), ("file", "movie.gif"), ("file", "../a.dm4")],
)
def test_bad_movies_are_refused(key, value):
    with pytest.raises(InputError, match=key):
        MovieRecipe(**{key: value})
