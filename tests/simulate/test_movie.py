"""Movies from end to end: frames, truth, files, going on after a stop."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nanonet.io import read_series
from nanonet.records import InputError
from nanonet.workers.local import Local
from simulate.environments import AmorphousCarbon
from simulate.movies.film import Film, MovieRecipe, Scanning, plan_film
from simulate.movies.motion import Approach, Tumbling
from simulate.movies.movie import generate_movie
from simulate.movies.process import Process
from simulate.movies.processes.exchange import ColumnExchange
from simulate.movies.processes.hops import Hops
from simulate.movies.processes.vacancies import OxygenVacancies
from simulate.movies.settings import has_value, value_of, with_value
from simulate.shards.store import find_shards, read_shard
from simulate.stem.microscope import ScanningMicroscope
from simulate.structures.orientation import ZoneAxis
from simulate.structures.recipe import ParticleRecipe
from simulate.tem.microscope import Microscope
from simulate.truth import columns_of

SMALL = ParticleRecipe(diameter=(10.0, 11.0), depth=(2, 3), orientation=ZoneAxis(mistilt=0.0))
BUSY: tuple[Process, ...] = (ColumnExchange(gain_rate=0.5, loss_rate=0.5), OxygenVacancies())
MOVIE = MovieRecipe(states=3, frames_per_state=2, frame_pixels=72, frame_time=0.5, processes=BUSY)
STEADY = Microscope(dose=5000.0, defocus=50.0, vibration=0.2)


@dataclass(frozen=True, kw_only=True)
class Shadows:
    """An imaging that takes no time: every atom casts a round shadow."""

    energy: float = 300e3
    modality: str = "HRTEM"
    fails_at: int = -1

    def side(self, extent: float) -> float:
        return extent + 12.0

    def calculate(
        self, atoms: Any, displacements: Mapping[str, float], seed: tuple[int, ...]
    ) -> dict[str, np.ndarray]:
        if seed[1] == self.fails_at:
            raise RuntimeError("killed")
        assert set(atoms.get_chemical_symbols()) <= set(displacements)
        assert (atoms.positions[:, 2] > 1.9).all()
        assert (atoms.positions[:, 2] < atoms.cell[2, 2] - 1.9).all()
        return {"places": atoms.positions[:, 1::-1].astype(np.float32), "numbers": atoms.numbers}

    def expected(self, stored: Mapping[str, np.ndarray], side: float, setting: Any, view: Any) -> Any:
        import torch

        i, j = (torch.arange(n, dtype=torch.float64) for n in view.shape)
        pixels = torch.stack(torch.meshgrid(i, j, indexing="ij"), -1).numpy().reshape(-1, 2)
        image = np.zeros(len(pixels))
        for place, number in zip(stored["places"], stored["numbers"], strict=True):
            away = ((view.to_box(pixels * view.pixel_size) - place) ** 2).sum(axis=1)
            image += number * np.exp(-away / 0.5)
        seen = 1 - 0.001 * image.reshape(view.shape)
        return torch.from_numpy(setting.dose * setting.pixel_size**2 * np.maximum(seen, 0.05)).float()


def make(output: Path, **other: Any) -> Path:
    parts = {
        "structures": SMALL,
        "imaging": Shadows(),
        "microscope": STEADY,
        "movie": MOVIE,
        "seed": 11,
        "cluster": Local(workers=1),
    }
    return generate_movie(output=output, **{**parts, **other})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("movies") / "movie")


def test_the_folder_holds_movie_truth_and_states(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "movie.dm4",
        "truth.csv",
        "other_columns.csv",
        "poses.csv",
        "events.csv",
        "atoms.extxyz",
        "manifest.json",
        "states",
    }
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["format"] == "nanonet-movie"
    assert manifest["recipe"]["movie"]["states"] == 3
    assert manifest["setting"]["dose"] == pytest.approx(5000.0)


def test_the_truth_has_its_columns_and_every_frame(folder: Path) -> None:
    truth = pd.read_csv(folder / "truth.csv")
    assert list(truth) == [
        *("frame", "column_id", "y_angstrom", "x_angstrom", "depth", "particle", "atoms_O", "atoms_Ce"),
        *("occupancy", "displacement_y_angstrom", "displacement_x_angstrom"),
    ]
    assert sorted(truth["frame"].unique()) == list(range(6))
    assert truth["depth"].min() >= 1
    assert (truth["depth"] == truth["atoms_Ce"]).all()
    assert not truth.duplicated(["frame", "column_id"]).any()
    others = pd.read_csv(folder / "other_columns.csv")
    assert list(others) == list(truth)
    assert (others["depth"] == 0).all()
    assert (others["atoms_O"] > 0).all()
    assert not set(others["column_id"]) & set(truth["column_id"]) - set(others["column_id"])


def test_truth_atoms_and_shards_tell_the_same(folder: Path) -> None:
    from ase.io import iread

    truth = pd.concat([pd.read_csv(folder / name) for name in ("truth.csv", "other_columns.csv")])
    poses = pd.read_csv(folder / "poses.csv").set_index("frame")
    written = list(iread(folder / "atoms.extxyz", index=":"))
    assert find_shards(folder / "states") == list(range(len(written))) == sorted(poses["state"].unique())
    for frame, rows in truth.groupby("frame"):
        pose = poses.loc[frame]
        shard = read_shard(folder / "states", int(pose["state"]))
        atoms = written[int(pose["state"])]
        np.testing.assert_allclose(atoms.positions, shard.atoms.positions, atol=1e-6)
        columns = columns_of(atoms)
        rows = rows.set_index("column_id").loc[columns.ids]  # the whole particle is in the frame
        origin = pose[["origin_y_angstrom", "origin_x_angstrom"]].to_numpy(float)
        np.testing.assert_allclose(
            rows[["y_angstrom", "x_angstrom"]].to_numpy() + origin, columns.positions, atol=2e-5
        )
        np.testing.assert_array_equal(rows["depth"], columns.depths)
        np.testing.assert_array_equal(
            rows[[f"atoms_{element}" for element in columns.elements]], columns.counts
        )
        np.testing.assert_allclose(rows["occupancy"], columns.occupancy, atol=1e-5)


def test_events_are_what_changes_in_the_truth(folder: Path) -> None:
    events = pd.read_csv(folder / "events.csv")
    assert set(events["frame"]) <= {2, 4}
    assert {"gain", "loss"} <= set(events["kind"])
    truth = pd.concat([pd.read_csv(folder / name) for name in ("truth.csv", "other_columns.csv")])
    for element in ("O", "Ce"):
        counts = truth.pivot_table(index="frame", columns="column_id", values=f"atoms_{element}").fillna(0)
        np.testing.assert_array_equal(counts.loc[0], counts.loc[1])
        own = events[events["element"] == element]
        for frame in (2, 4):
            now = own[own["frame"] == frame]
            told = now["to_column"].value_counts().sub(now["from_column"].value_counts(), fill_value=0)
            change = counts.loc[frame] - counts.loc[frame - 1]
            np.testing.assert_array_equal(change, told.reindex(change.index, fill_value=0))
            assert told[~told.index.isin(change.index)].eq(0).all()
    assert ((events["time_s"] > 0) & (events["time_s"] <= 2.0)).all()


def test_the_movie_has_counts_and_calibration_that_another_reader_finds(folder: Path) -> None:
    from ncempy.io import dm

    read = dm.dmReader(str(folder / "movie.dm4"))
    frames = np.asarray(read["data"], dtype=float)
    assert frames.shape == (6, 72, 72)
    assert read["pixelSize"][1:] == pytest.approx([0.025, 0.025])
    assert read["pixelUnit"][1:] == ["nm", "nm"]
    assert np.median(frames) == pytest.approx(5000 * 0.25**2, rel=0.05)
    assert not (frames % 1).any()
    assert not np.array_equal(frames[0], frames[1])


def test_columns_are_dark_at_the_truth(folder: Path) -> None:
    from scipy.ndimage import gaussian_filter, map_coordinates

    truth = pd.read_csv(folder / "truth.csv")
    series = read_series(folder / "movie.dm4")
    for frame, rows in truth.groupby("frame"):
        smooth = gaussian_filter(series[int(frame)].image, 1.0)
        places = rows[["y_angstrom", "x_angstrom"]].to_numpy().T / 0.25
        values = map_coordinates(smooth, places, order=1)
        assert np.median(values) < 0.95 * np.median(smooth)
        shifted = map_coordinates(smooth, places + 5.0, order=1)
        assert np.median(values) < np.median(shifted)


@pytest.mark.parametrize("suffix", [".mrc", ".tif", ".hspy", ".emd", ".dm3"])
def test_each_format_holds_the_same_frames(tmp_path: Path, folder: Path, suffix: str) -> None:
    there = make(tmp_path / "movie", movie=replace(MOVIE, file=f"movie{suffix}"))
    series, reference = read_series(there / f"movie{suffix}"), read_series(folder / "movie.dm4")
    assert len(series) == 6
    for one, other in zip(series, reference, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
    assert series[0].pixel_size == pytest.approx(0.25, rel=1e-6)
    if suffix != ".mrc":
        assert series[0].frame_time == pytest.approx(0.5, rel=1e-6)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_movie_follows_from_its_seed_and_goes_on_after_a_stop(tmp_path: Path, folder: Path) -> None:
    there = tmp_path / "movie"
    stopping = Shadows(fails_at=2)
    with pytest.raises(RuntimeError, match="killed"):
        make(there, imaging=stopping)
    assert not (there / "movie.dm4").exists()
    before = {path: path.stat().st_mtime_ns for path in (there / "states").glob("structure_*")}
    assert len(before) == 2
    for manifest in (there / "manifest.json", there / "states" / "manifest.json"):
        manifest.write_text(manifest.read_text().replace('"fails_at": 2', '"fails_at": -1'))
    make(there)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    one, other = bytes_of(there), bytes_of(folder)
    assert one.keys() == other.keys()
    for name in one:
        if not name.startswith("states/manifest"):
            assert one[name] == other[name], name


def test_frames_that_are_drawn_are_kept(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import simulate.movies.movie as module

    monkeypatch.setattr(module, "BATCH", 2)
    whole = Film.draw

    def stopping(film: Film, shard: Any, scene: Any, imaging: Any) -> np.ndarray:
        if scene.frame == 4:
            raise RuntimeError("killed")
        return whole(film, shard, scene, imaging)

    monkeypatch.setattr(Film, "draw", stopping)
    with pytest.raises(RuntimeError, match="killed"):
        make(tmp_path / "movie")
    drawn = {path: path.stat().st_mtime_ns for path in (tmp_path / "movie" / ".frames").glob("*.npy")}
    assert len(drawn) == 2

    def counting(film: Film, shard: Any, scene: Any, imaging: Any) -> np.ndarray:
        assert scene.frame >= 4
        return whole(film, shard, scene, imaging)

    monkeypatch.setattr(Film, "draw", counting)
    there = make(tmp_path / "movie")
    assert (there / "movie.dm4").read_bytes() == (folder / "movie.dm4").read_bytes()
    assert not (there / ".frames").exists()


def test_a_folder_of_another_movie_is_left_alone(tmp_path: Path, folder: Path) -> None:
    before = bytes_of(folder)
    with pytest.raises(InputError, match="another seed"):
        make(folder, seed=12)
    with pytest.raises(InputError, match="another recipe"):
        make(folder, movie=replace(MOVIE, drift=1.0))
    assert bytes_of(folder) == before
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        make(tmp_path)


def test_a_turning_particle_has_its_orientation_in_every_frame(tmp_path: Path) -> None:
    tumbling = Tumbling(rate=10.0, axis=(0.0, 1.0, 0.0), diffusion=0.0, near=1.5)
    movie = replace(MOVIE, states=5, frames_per_state=1, processes=(), motion=tumbling, frame_time=0.1)
    there = make(tmp_path / "movie", movie=movie, structures=replace(SMALL, depth=None))
    poses, truth = pd.read_csv(there / "poses.csv"), pd.read_csv(there / "truth.csv")
    assert poses["state"].tolist() == [0, 1, 2, 3, 4]
    rotations = poses[[f"r{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3)]].to_numpy().reshape(-1, 3, 3)
    first = read_shard(there / "states", 0).atoms
    for frame, rotation in enumerate(rotations):
        turn = rotation @ rotations[0].T
        angle = np.degrees(np.arctan2(turn[0, 2], turn[0, 0]))
        assert angle == pytest.approx(frame, abs=1e-2)
        shard = read_shard(there / "states", frame)
        np.testing.assert_allclose(np.array(shard.about["rotation"]), rotation, atol=1e-4)
        moved = (first.positions - first.positions.mean(axis=0)) @ turn.T
        here = shard.atoms.positions - shard.atoms.positions.mean(axis=0)
        np.testing.assert_allclose(here, moved, atol=1e-3)
    assert poses["off_axis_degrees"].to_numpy() == pytest.approx(np.arange(5.0), abs=1e-3)
    assert sorted(truth["frame"].unique()) == [0, 1]
    assert read_shard(there / "states", 4).about["zone_axis"] is None


def test_two_particles_are_told_apart(tmp_path: Path) -> None:
    movie = replace(MOVIE, processes=(Hops(rate=3.0),), motion=Approach(gap=2.0, speed=2.0), frame_pixels=130)
    there = make(tmp_path / "movie", movie=movie)
    truth, poses = pd.read_csv(there / "truth.csv"), pd.read_csv(there / "poses.csv")
    assert set(truth["particle"]) == {1, 2}
    assert len(poses) == 12
    assert not truth.duplicated(["frame", "column_id"]).any()
    middles = poses.pivot(
        index="frame", columns="particle", values=["centre_y_angstrom", "centre_x_angstrom"]
    )
    apart = np.hypot(
        middles["centre_y_angstrom"].diff(axis=1)[2], middles["centre_x_angstrom"].diff(axis=1)[2]
    )
    assert apart[0] - apart[2] == pytest.approx(2.0, abs=1.0)
    for particle in (1, 2):
        rows = truth[(truth["frame"] == 0) & (truth["particle"] == particle)]
        pose = poses[(poses["frame"] == 0) & (poses["particle"] == particle)].iloc[0]
        assert rows["y_angstrom"].mean() == pytest.approx(pose["centre_y_angstrom"], abs=2.0)
        assert rows["x_angstrom"].mean() == pytest.approx(pose["centre_x_angstrom"], abs=2.0)


def test_surroundings_stay_the_same_atoms(tmp_path: Path) -> None:
    there = make(tmp_path / "movie", environment=AmorphousCarbon(), movie=replace(MOVIE, frame_pixels=8))
    states = [read_shard(there / "states", state).atoms for state in find_shards(there / "states")]
    films = [atoms[atoms.arrays["instance"] == 0] for atoms in states]
    assert len(films[0]) > 100
    for film in films[1:]:
        np.testing.assert_array_equal(film.positions, films[0].positions)
    assert (films[0].arrays["column"] == -1).all()


def film_of(recipe: MovieRecipe, microscope: Any = STEADY, seed: int = 1) -> Film:
    setting = microscope.draw(300e3 if microscope is STEADY else 200e3, np.random.default_rng(0))
    return plan_film(recipe, setting, 45.0, seed)


def test_particle_focus_and_dose_drift_by_their_rates() -> None:
    recipe = replace(
        MOVIE, states=10, frames_per_state=10, drift=0.2, shake=0.0, focus_drift=0.3, dose_ratio=0.25
    )
    film = film_of(recipe)
    scenes = [film[frame] for frame in range(len(film))]
    assert len(scenes) == 100
    path = np.array([scene.view.origin for scene in scenes])
    assert np.linalg.norm(path[-1] - path[0]) == pytest.approx(0.2 * 99 * 0.5)
    np.testing.assert_allclose(path.mean(axis=0), (45.0 - 71 * 0.25) / 2)
    focus = np.array([scene.setting.values()["defocus"] for scene in scenes])
    assert focus.mean() == pytest.approx(50.0)
    assert abs(focus[-1] - focus[0]) == pytest.approx(0.3 * 99 * 0.5)
    dose = np.array([scene.setting.dose for scene in scenes])
    assert dose[-1] / dose[0] == pytest.approx(0.25)
    assert np.sqrt(dose[0] * dose[-1]) == pytest.approx(5000.0)
    assert [scene.moment for scene in scenes[::10]] == list(range(10))
    # What blurs a frame is the way that the specimen goes in it: the opposite of where the frame goes.
    way = np.array(value_of(scenes[0].setting, "motion"))
    np.testing.assert_allclose(way, path[0] - path[1], atol=1e-9)


def test_shaking_has_its_deviation() -> None:
    film = film_of(replace(MOVIE, states=400, drift=0.0, shake=0.3, focus_drift=0.0))
    path = np.array([film[frame].view.origin for frame in range(len(film))])
    np.testing.assert_allclose(path.std(axis=0), 0.3, rtol=0.1)
    assert value_of(film[0].setting, "motion") is None


def test_a_scan_is_sheared_by_the_drift_and_must_end_within_its_frame() -> None:
    microscope = ScanningMicroscope()
    recipe = replace(MOVIE, drift=0.3, shake=0.0, frame_time=5.0)
    film = film_of(recipe, microscope)
    scene = film[0]
    assert isinstance(scene.setting, Scanning)
    assert value_of(scene.setting, "drift") == film.drift
    lines = scene.view.axes[:, 0] - [1.0, 0.0]
    time = value_of(scene.setting, "noise").line_time(72)
    np.testing.assert_allclose(lines, -np.array(film.drift) * time / scene.view.pixel_size)
    middle = scene.view.to_box(np.array([[35.5, 35.5]]) * scene.view.pixel_size)[0]
    np.testing.assert_allclose(middle, 22.5 + 12.5 * np.array(film.drift), atol=1e-9)
    with pytest.raises(InputError, match="frame_time"):
        film_of(replace(recipe, frame_time=1e-3), microscope)[0]


def test_values_are_found_and_changed_wherever_they_are() -> None:
    setting = STEADY.draw(300e3, np.random.default_rng(0))
    assert has_value(setting, "defocus")
    assert value_of(setting, "defocus") == 50.0
    changed = with_value(setting, "defocus", 70.0)
    assert value_of(changed, "defocus") == 70.0
    assert with_value(changed, "defocus", 50.0) == setting
    assert with_value(setting, "no_such", 1.0) is setting
    with pytest.raises(KeyError):
        value_of(setting, "no_such")


def test_long_movies_take_no_more_memory(tmp_path: Path) -> None:
    tiny = replace(SMALL, diameter=(7.0, 7.0), depth=(1, 1))

    def peak(states: int) -> int:
        movie = replace(
            MOVIE,
            states=states,
            frames_per_state=1,
            frame_pixels=64,
            processes=(),
            motion=Tumbling(),
            file="movie.mrc",
        )
        tracemalloc.start()
        make(tmp_path / f"{states}", structures=tiny, movie=movie)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2)
    short, long = peak(6), peak(30)
    assert long < short + 24 * 64 * 64 * 4 / 2  # less than half of the frames more


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("states", 0),
        ("frames_per_state", 0),
        ("frame_pixels", 0),
        ("frame_time", 0.0),
        ("dose_ratio", 0.0),
        ("shake", -0.1),
        ("file", "movie.gif"),
        ("file", "../a.dm4"),
    ],
)
def test_bad_movies_are_refused(key: str, value: object) -> None:
    with pytest.raises(InputError, match=key):
        MovieRecipe(**{key: value})


def test_structures_without_a_lattice_are_refused(tmp_path: Path) -> None:
    from ase.cluster import Octahedron

    from simulate.structures import FileRecipe, Mixture

    Octahedron("Au", 3).write(tmp_path / "own.xyz")
    with pytest.raises(InputError, match="FileRecipe"):
        make(tmp_path / "movie", structures=Mixture(recipes=(FileRecipe(path=str(tmp_path / "own.xyz")),)))


def test_a_particle_that_vanishes_is_an_error(tmp_path: Path) -> None:
    gone = replace(MOVIE, states=40, processes=(ColumnExchange(gain_rate=0.0, loss_rate=20.0),))
    with pytest.raises(InputError, match="vanishes"):
        make(tmp_path / "movie", movie=gone)


@pytest.mark.slow
def test_workers_change_no_byte_of_a_real_movie(tmp_path: Path, quick_waves: Any) -> None:
    movies = [
        make(tmp_path / f"{workers}", imaging=quick_waves, cluster=Local(workers=workers))
        for workers in (1, 2)
    ]
    one, other = (bytes_of(movie) for movie in movies)
    assert one.keys() == other.keys()
    assert all(one[name] == other[name] for name in one)
    series = read_series(movies[0] / "movie.dm4")
    assert series[0].image.mean() == pytest.approx(5000 * 0.25**2, rel=0.03)
