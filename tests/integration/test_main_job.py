"""The main job in small: simulate, train, simulate a movie, read it and compare with the truth."""

from pathlib import Path

import pandas as pd
import pytest
import tifffile

from nanonet.cli.main import main
from nanonet.io.read import read_series

SMALL = (
    "structures.diameter=[14,16]",
    "structures.depth=[2,4]",
    "simulate.exit_wave.frozen_phonons=1",
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
    do("simulate", "experiment=demo", *SMALL, "simulate.n_structures=5", f"output={place / 'data'}")
    small = (
        "data.epoch_size=8",
        "data.validation_size=4",
        "trainer.max_epochs=1",
        "model.width=4",
        "data.num_workers=0",
    )
    do("train", "experiment=demo", *small, f"shards={place / 'data'}", f"output={place / 'network'}")
    short = ("simulate.movie.states=1", "simulate.movie.frames_per_state=3")
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
