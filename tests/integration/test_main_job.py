"""The main job in small: simulate, train, simulate a movie, read it and compare with the truth."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import tifffile

from nanonet.cli.main import main
from nanonet.io.read import read_series

SMALL = (
    "structures.diameter=[14,16]",
    "structures.depth=[2,4]",
    "imaging.diffuse_waves=1",
    "workers=1",
)
COLUMNS = [
    "frame",
    "column_id",
    "track_id",
    "y_angstrom",
    "x_angstrom",
    "depth",
    "depth_mean",
    "depth_low",
    "depth_high",
    "confidence",
]


def do(*words: str) -> None:
    assert main(list(words)) == 0, words


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do the job once, as the README tells it."""
    place = tmp_path_factory.mktemp("job")
    do("simulate", "experiment=demo", *SMALL, "n_structures=5", f"output={place / 'data'}")
    small = (
        "data.epoch_size=8",
        "data.validation_size=4",
        "trainer.max_epochs=1",
        "model.width=4",
        "data.num_workers=0",
    )
    do("train", "experiment=demo", *small, f"shards={place / 'data'}", f"output={place / 'network'}")
    short = ("movie.states=1", "movie.frames_per_state=3")
    do("simulate", "experiment=demo_movie", *SMALL, *short, f"output={place / 'movie'}")
    do(
        "infer",
        "pipeline=columns",
        f"input={place / 'movie' / 'movie.dm4'}",
        f"checkpoint={place / 'network' / 'checkpoint'}",
        f"truth={place / 'movie' / 'truth.csv'}",
        f"output={place / 'run'}",
    )
    return place


@pytest.mark.slow
def test_the_run_keeps_the_output_contract(job: Path) -> None:
    run = job / "run"
    assert {path.name for path in run.iterdir()} == {
        "report.html",
        "columns.csv",
        "lattice.csv",
        "frames.csv",
        "sites.csv",
        "events.csv",
        "layers.csv",
        "migration.csv",
        "comparison.csv",
        "depth.tif",
        "confidence.tif",
        "summary.csv",
        "data_dictionary.csv",
        "config.yaml",
        "provenance.json",
    }
    assert list(pd.read_csv(run / "columns.csv").columns) == COLUMNS
    movie = read_series(job / "movie" / "movie.dm4")
    assert tifffile.imread(run / "depth.tif").shape == (len(movie), *movie[0].image.shape)
    assert read_series(run / "depth.tif").pixel_size == pytest.approx(movie.pixel_size)


@pytest.mark.slow
def test_every_true_column_of_every_frame_is_compared(job: Path) -> None:
    truth = pd.read_csv(job / "movie" / "truth.csv")
    compared = pd.read_csv(job / "run" / "comparison.csv").dropna(subset=["true_depth"])
    assert len(compared) == len(truth)
    assert (
        compared.groupby("frame")["true_depth"].sum().tolist()
        == truth.groupby("frame")["depth"].sum().tolist()
    )
    values = pd.read_csv(job / "run" / "summary.csv").set_index("name")["value"]
    assert values["frames compared"] == 3
    assert values["true columns"] == len(truth)


@pytest.mark.slow
def test_a_column_network_refuses_another_task_and_a_missing_pixel_size(
    job: Path, tmp_path: Path, capsys
) -> None:
    movie = job / "movie" / "movie.dm4"
    words = ("infer", "pipeline=columns", f"input={movie}", f"checkpoint={job / 'network' / 'checkpoint'}")
    assert main([*words, "read.pixel_size=px", f"output={tmp_path / 'a'}"]) == 2
    assert "pixel" in capsys.readouterr().err
    assert main([*words[:3], f"checkpoint={job / 'data'}", f"output={tmp_path / 'b'}"]) == 2
    assert "checkpoint" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_simulation_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    """SIGKILL to the command and its workers, once some shards are there."""
    recipe = ("experiment=demo", *SMALL[:3], "workers=2", "simulate.n_structures=8")
    words = [sys.executable, "-m", "nanonet", "simulate", *recipe]
    subprocess.run([*words, f"output={tmp_path / 'whole'}"], check=True, capture_output=True)
    killed = subprocess.Popen(
        [*words, f"output={tmp_path / 'killed'}"], start_new_session=True, stderr=subprocess.DEVNULL
    )
    while killed.poll() is None and len(list((tmp_path / "killed").glob("structure_*"))) < 2:
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    there = {path.name for path in (tmp_path / "killed").glob("structure_*")}
    assert 0 < len(there) < 8, "the run was not killed half-way"
    subprocess.run([*words, f"output={tmp_path / 'killed'}"], check=True, capture_output=True)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of the shards by its place in the folder."""
    files = (path for path in folder.glob("structure_*/**/*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
