"""From a file to the report: particles of known place and size, the output contract, resuming, bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from scenes import discs, fusing

from nanonet.io.writers.images import write_tif

CONTRACT = [
    "image",
    "frame",
    "particle_id",
    "track_id",
    "y_nm",
    "x_nm",
    "area_nm2",
    "equivalent_diameter_nm",
    "feret_min_nm",
    "feret_max_nm",
    "perimeter_nm",
    "circularity",
    "convexity",
    "solidity",
    "major_axis_nm",
    "minor_axis_nm",
    "eccentricity",
    "max_intensity",
    "total_intensity",
    "separated",
    "touches_border",
    "confidence",
    "class_id",
]
TRACKS = [
    "image",
    "track_id",
    "first_frame",
    "last_frame",
    "first_time_s",
    "last_time_s",
    "frames_seen",
    "frames_joined",
    "begin_diameter_nm",
    "end_diameter_nm",
    "growth_rate_nm_per_s",
    "growth_rate_low_nm_per_s",
    "growth_rate_high_nm_per_s",
    "began",
    "ended",
]
EVENTS = [
    "image",
    "kind",
    "frame",
    "time_s",
    "contact_frame",
    "track_before_1",
    "track_before_2",
    "track_after_1",
    "track_after_2",
    "area_before_1_nm2",
    "area_before_2_nm2",
    "area_after_1_nm2",
    "area_after_2_nm2",
    "area_ratio",
    "area_conserved",
    "gap_nm",
    "y_nm",
    "x_nm",
    "confidence",
]
MOVIE = {"tracks.csv", "particle_events.csv"}
"""What a movie leaves behind besides `FILES`."""
FILES = {
    "report.html",
    "particles.csv",
    "images.csv",
    "size_distribution.csv",
    "labels.tif",
    "summary.csv",
    "data_dictionary.csv",
    "config.yaml",
    "provenance.json",
}


def test_places_sizes_and_tracks_are_right_and_the_folder_keeps_the_contract(movie, tmp_path, infer) -> None:
    code, out, _ = infer("pipeline=particles", f"input={movie}", f"output={tmp_path / 'run'}", "chunk=3")
    assert code == 0
    assert out.splitlines()[-1] == str(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES | MOVIE
    table = pd.read_csv(tmp_path / "run" / "particles.csv")
    assert list(table.columns) == CONTRACT
    assert table.groupby("frame").size().tolist() == [3, 3, 3, 3]
    assert table["track_id"].nunique() == 3
    for (_, row), (y, x, radius) in zip(
        table[table.frame == 0].sort_values("y_nm").iterrows(), discs()[1], strict=True
    ):
        assert abs(row.y_nm - 0.2 * y) < 0.1
        assert abs(row.x_nm - 0.2 * x) < 0.1
        assert row.equivalent_diameter_nm == pytest.approx(0.4 * radius, rel=0.06)
    labels = tifffile.imread(tmp_path / "run" / "labels.tif")
    assert labels.shape == (4, 160, 160)
    assert set(np.unique(labels[0])) == {0, 1, 2, 3}
    words = pd.read_csv(tmp_path / "run" / "data_dictionary.csv")
    assert set(CONTRACT) <= set(words["column"])
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["inputs"]["movie.tif"].startswith(
        "sha256"
    )


def test_two_particles_that_become_one_are_followed_from_the_file_to_the_report(tmp_path, infer) -> None:
    write_tif(tmp_path / "movie.tif", fusing(), pixel_size=2.0, frame_time=0.5)
    run = tmp_path / "run"
    code, _, err = infer(
        "pipeline=particles", "segment=classical", f"input={tmp_path / 'movie.tif'}", f"output={run}"
    )
    assert code == 0, err
    tracks, events = (pd.read_csv(run / name) for name in ("tracks.csv", "particle_events.csv"))
    assert list(tracks.columns) == TRACKS
    assert list(events.columns) == EVENTS
    words = pd.read_csv(run / "data_dictionary.csv")
    for name, columns in (("tracks.csv", TRACKS), ("particle_events.csv", EVENTS)):
        assert words.loc[words["file"] == name, "column"].tolist() == columns
    assert len(tracks) == 10
    assert tracks["ended"].value_counts().to_dict() == {"end of movie": 9, "merged": 1}
    event = events.iloc[0]
    assert len(events) == 1
    assert (event["kind"], event["frame"], event["time_s"]) == ("coalescence", 6, 3.0)
    assert event["area_before_1_nm2"] == pytest.approx(np.pi * 2.4**2, rel=0.1)
    assert event["area_before_2_nm2"] == pytest.approx(np.pi * 1.8**2, rel=0.1)
    assert event["area_conserved"]
    assert event["track_before_1"] == event["track_after_1"]
    assert tracks.set_index("track_id").loc[event["track_before_2"], "last_frame"] == 5
    assert (event["y_nm"], event["x_nm"]) == pytest.approx((20.0, 0.2 * 93), abs=0.2)
    assert tracks["growth_rate_nm_per_s"].abs().max() < 0.1
    summary = pd.read_csv(run / "summary.csv").set_index("name")
    assert summary.loc["coalescences", "value"] == 1
    page = (run / "report.html").read_text()
    assert "Size of every particle" in page
    assert "How tracks begin and end" in page


def test_without_links_a_movie_has_no_tracks(movie, tmp_path, infer) -> None:
    code, _, err = infer(
        "pipeline=particles", "segment=classical", "link=none", f"input={movie}", f"output={tmp_path / 'run'}"
    )
    assert code == 0, err
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES


def test_the_same_command_again_changes_nothing_and_another_is_refused(movie, tmp_path, infer) -> None:
    words = ("pipeline=particles", f"input={movie}", f"output={tmp_path / 'run'}")
    assert infer(*words)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()}
    assert infer(*words)[0] == 0
    code, _, err = infer(*words, "chunk=2")
    assert code == 2
    assert "other settings" in err
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()} == before


def test_a_folder_with_other_files_is_left_alone(movie, tmp_path, infer) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "particles.csv").write_text("precious")
    code, _, err = infer("pipeline=particles", f"input={movie}", f"output={tmp_path / 'mine'}")
    assert code == 2
    assert "not a run's" in err
    assert (tmp_path / "mine" / "particles.csv").read_text() == "precious"


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_the_same(tmp_path) -> None:
    write_tif(tmp_path / "movie.tif", discs(count=30)[0], pixel_size=2.0)
    base = [sys.executable, "-m", "nanonet", "infer", "pipeline=particles", "chunk=2"]
    words = [*base, f"input={tmp_path / 'movie.tif'}"]
    subprocess.run([*words, f"output={tmp_path / 'whole'}"], check=True, capture_output=True)
    killed = subprocess.Popen([*words, f"output={tmp_path / 'killed'}"], stderr=subprocess.DEVNULL)
    store = tmp_path / "killed" / ".unfinished"
    while killed.poll() is None and len(list(store.glob("*.npz"))) < 3:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert store.is_dir(), "the run ended before it could be killed"
    assert not (tmp_path / "killed" / "provenance.json").exists()
    subprocess.run([*words, f"output={tmp_path / 'killed'}"], check=True, capture_output=True)
    for name in ("particles.csv", "summary.csv", "data_dictionary.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    pages = [tifffile.imread(tmp_path / run / "labels.tif") for run in ("killed", "whole")]
    assert np.array_equal(*pages)
    assert not store.exists()


def test_without_a_pixel_size_the_error_names_the_override_and_px_measures_in_pixels(tmp_path, infer) -> None:
    np.save(tmp_path / "image.npy", discs(count=1)[0][0])
    words = ("pipeline=particles", f"input={tmp_path / 'image.npy'}")
    code, _, err = infer(*words, f"output={tmp_path / 'run'}")
    assert code == 2
    assert "read.pixel_size=0.2" in err
    assert "read.pixel_size=px" in err
    assert infer(*words, "read.pixel_size=px", f"output={tmp_path / 'px'}")[0] == 0
    table = pd.read_csv(tmp_path / "px" / "particles.csv")
    assert list(table.columns) == [name.replace("_nm", "_px") for name in CONTRACT]
    assert table.sort_values("y_px")["equivalent_diameter_px"].tolist() == pytest.approx(
        [28, 36, 44], rel=0.06
    )


def test_a_folder_of_unlike_images_gives_a_label_map_each(tmp_path, infer) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    frames = discs(count=2)[0]
    write_tif(folder / "one.tif", frames[:1], pixel_size=2.0)
    write_tif(folder / "two.tif", frames[1:, :150, :140], pixel_size=4.0)
    code, _, err = infer(
        "pipeline=particles",
        f"input={folder}",
        f"output={tmp_path / 'run'}",
        "report.xlsx=true",
        "report.png=true",
    )
    assert code == 0, err
    assert sorted(path.name for path in (tmp_path / "run" / "labels").iterdir()) == ["one.tif", "two.tif"]
    assert tifffile.imread(tmp_path / "run" / "labels" / "two.tif").shape == (150, 140)
    table = pd.read_csv(tmp_path / "run" / "particles.csv")
    assert table["track_id"].isna().all()
    sizes = table.groupby("image")["equivalent_diameter_nm"].max()
    assert sizes["two.tif"] == pytest.approx(2 * sizes["one.tif"], rel=0.05)
    assert (tmp_path / "run" / "results.xlsx").stat().st_size > 5000
    pictures = sorted(path.name for path in (tmp_path / "run" / "pictures").iterdir())
    assert pictures == ["one.png", "sizes.png", "two.png"]


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Make files that cannot be analysed; each with a word that the message must hold."""
    frames = discs(count=2)[0].astype(np.float32)
    nan = frames.copy()
    nan[1, 5, 5] = np.nan
    write_tif(folder / "good.tif", frames, pixel_size=2.0)
    whole = (folder / "good.tif").read_bytes()
    np.save(folder / "nan.npy", nan)
    np.save(folder / "constant.npy", np.full((64, 64), 7.0, np.float32))
    np.save(folder / "text.npy", np.array(["a", "b"]))
    np.save(folder / "line.npy", np.arange(9.0))
    (folder / "empty.dm4").write_bytes(b"")
    (folder / "cut.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "lying.dm4").write_bytes(whole)
    (folder / "notes.txt").write_text("hello")
    rng = np.random.default_rng([3])
    tifffile.imwrite(folder / "colour.tif", rng.integers(0, 255, (32, 32, 3), np.uint8), photometric="rgb")
    (folder / "void").mkdir()
    words = {
        "nan.npy": "NaN",
        "constant.npy": "",
        "text.npy": "",
        "line.npy": "",
        "empty.dm4": "empty",
        "cut.tif": "",
        "lying.dm4": "dm4",
        "notes.txt": "",
        "colour.tif": "",
        "void": "",
        "missing.dm4": "",
    }
    return {name: (folder / name, word) for name, word in words.items()}


def test_bad_input_is_one_line_and_exit_code_2(tmp_path, infer) -> None:
    for name, (path, word) in bad_files(tmp_path).items():
        code, out, err = infer(
            "pipeline=particles", f"input={path}", "read.pixel_size=2.0", f"output={tmp_path / 'run' / name}"
        )
        line = [line for line in err.splitlines() if line.startswith("nanonet:")]
        assert code == 2, name
        assert len(line) == 1, (name, err)
        assert word in line[0], (name, line)
        assert name.split(".")[0] in line[0], (name, line)
        assert "unexpected" not in line[0], (name, line)
        assert out == ""


def test_one_constant_frame_in_a_movie_is_a_warning(tmp_path, infer) -> None:
    frames = discs(count=4)[0]
    frames[1] = 0
    write_tif(tmp_path / "movie.tif", frames, pixel_size=2.0)
    code, _, err = infer(
        "pipeline=particles", f"input={tmp_path / 'movie.tif'}", f"output={tmp_path / 'run'}"
    )
    assert code == 0, err
    assert "frame 1 of movie.tif is constant" in (tmp_path / "run" / "report.html").read_text()
    assert pd.read_csv(tmp_path / "run" / "particles.csv").groupby("frame").size().to_dict() == {
        0: 3,
        2: 3,
        3: 3,
    }
