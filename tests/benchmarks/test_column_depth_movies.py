"""The test set: particles that training lacks, and frames that show what is said to be true of them."""

from pathlib import Path

import numpy as np
import pytest
from column_depth_exposures import expose
from column_depth_movies import PIXEL_SIZE, VARIANTS, Plan, prepare, read_movie
from column_depth_particles import draw, places_of, recipe, tilted
from column_depth_waves import Fineness

from nanonet.configuration import build, compose
from nanonet.records import InputError

PLAN = Plan(
    particles=1,
    states=2,
    frames_per_state=2,
    frame_pixels=64,
    scale=0.5,
    fineness=Fineness(configurations=1, nodes=4, sampling=0.1, stored_sampling=0.2),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("column_depth")
    prepare(place, PLAN, workers=1)
    return place


def test_no_shape_is_one_of_the_training() -> None:
    trained = build(compose("simulate", ["structures=ceo2_110_various", "output=unused"]).structures)
    known = {type(shape) for part in trained.recipes for shape in part.shapes}
    tested = {type(shape) for index in range(10) for shape in recipe(index).shapes}
    assert len(tested) == 5
    assert not tested & known


def test_columns_fill_empty_and_vanish() -> None:
    states = 5
    changed = vacant = 0
    deepest = set()
    for index in range(10):
        _, track = draw(index, states)
        depths = places_of([track.atoms(moment) for moment in range(states)]).depths
        changed += int((np.diff(depths, axis=0) != 0).sum())
        vacant += int((depths == 0).sum())
        deepest |= set(np.unique(depths).tolist())
    assert deepest >= set(range(9))
    assert changed > 200
    assert vacant > 100


def test_a_particle_is_the_same_every_time() -> None:
    first, second = (draw(3, 2)[1].atoms(1) for _ in range(2))
    np.testing.assert_array_equal(first.positions, second.positions)


def test_a_tilt_turns_the_columns_and_changes_no_atom() -> None:
    particle, track = draw(2, 2)
    turned = tilted(particle, track, 2.0)
    axis = np.array([0.0, 0.0, 1.0])
    direction = turned.atoms(0).positions - track.atoms(0).positions
    assert len(turned.atoms(1)) == len(track.atoms(1))
    assert np.abs(direction).max() > 0.1
    places, bent = (places_of([atoms]) for atoms in (track.atoms(0), turned.atoms(0)))
    np.testing.assert_array_equal(places.depths, bent.depths)
    # A column of n atoms leans over sin(2°) of its length: its own atoms say so.
    atoms = turned.atoms(0)
    column = atoms.positions[(atoms.arrays["column"] == atoms.arrays["column"][0]) & atoms.arrays["counted"]]
    along = column[-1] - column[0]
    if len(column) > 1:
        assert np.degrees(np.arccos(abs(along @ axis) / np.linalg.norm(along))) == pytest.approx(2.0, abs=0.2)


def test_frames_show_columns_where_they_are_said_to_be(folder: Path) -> None:
    movie = read_movie(folder, 0)
    assert movie.expected.shape == (4, 64, 64)
    assert movie.expected[:, :4].mean() == pytest.approx(PIXEL_SIZE**2, rel=0.02)  # vacuum
    for frame, places, depths in zip(movie.expected, movie.positions, movie.depths, strict=True):
        y, x = np.rint(places[depths > 1] / PIXEL_SIZE).astype(int).T
        assert frame[y, x].mean() < 0.9 * PIXEL_SIZE**2  # columns are dark 5 nm under focus


def test_the_frames_drift_as_their_truth_says(folder: Path) -> None:
    movie = read_movie(folder, 0)
    still = (movie.depths == movie.depths[0]).all(axis=0)
    steps = np.diff(movie.positions[:, still], axis=0)
    assert np.ptp(steps, axis=1).max() < 0.15  # all columns alike, but for those that lean and grow
    assert 0.01 < np.abs(steps).max() < 1.0


def test_variants_change_the_image_and_not_the_depths(folder: Path) -> None:
    plain = read_movie(folder, 0, "plain")
    assert len(plain.expected) == PLAN.frames_per_state
    for variant in VARIANTS[1:]:
        other = read_movie(folder, 0, variant)
        assert np.abs(other.expected - plain.expected).std() > 0.02 * plain.expected.std()
        np.testing.assert_array_equal(
            np.sort(other.depths[0][other.depths[0] > 0]), np.sort(plain.depths[0][plain.depths[0] > 0])
        )


def test_a_folder_goes_on_and_refuses_another_set(folder: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npz")}
    (folder / "movies" / "00.npz").unlink()
    prepare(folder, PLAN, workers=1)
    waves = [path for path in times if path.parent.name == "waves"]
    assert len(waves) == 4
    assert all(path.stat().st_mtime_ns == times[path] for path in waves)
    with pytest.raises(InputError, match="another test set"):
        prepare(folder, Plan(particles=1, states=3), workers=1)


def test_counts_have_the_dose(folder: Path) -> None:
    movie = read_movie(folder, 0)
    exposure = expose(movie, 500.0, 1)
    again, other = expose(movie, 500.0, 1), expose(movie, 500.0, 2)
    frames = np.stack([frame.image for frame in exposure.series])
    assert frames.mean() == pytest.approx(500.0 * movie.expected.mean(), rel=0.01)
    noise = frames - 500.0 * movie.expected
    assert (noise**2).mean() == pytest.approx(frames.mean(), rel=0.05)  # Poisson
    np.testing.assert_array_equal(again.series[2].image, frames[2])
    assert (other.series[2].image != frames[2]).any()
    assert exposure.series[0].dose == 500.0
    assert expose(movie, 500.0, 1, pixel_size=0.275).series[0].pixel_size == 0.275
