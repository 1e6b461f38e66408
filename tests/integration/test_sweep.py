"""Sweeps: one folder a run, none shared, and a table at the end; loggers that need no account."""

import subprocess
import sys
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from nanonet.cli.main import main

TINY = (
    "data.epoch_size=8",
    "data.validation_size=4",
    "trainer.max_epochs=1",
    "data.num_workers=0",
    "model.width=4",
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep") / "data"
    small = ("structures.diameter=[14,16]", "structures.depth=[2,4]", "imaging.diffuse_waves=1")
    words = ("simulate", "experiment=demo", *small, "workers=1", "n_structures=5")
    assert main([*words, f"output={folder}"]) == 0
    return folder


def train(*words: str) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own: Hydra keeps state that a test must not leave behind."""
    return subprocess.run(
        [sys.executable, "-m", "nanonet", "train", *words], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "rates"), [("basic", [0.01, 0.001]), ("joblib", [0.01]), ("submitit_local", [0.01])]
)
def test_each_combination_has_a_folder_and_a_row(
    shards: Path, tmp_path: Path, launcher: str, rates: list[float]
) -> None:
    words = ("-m", "experiment=demo", f"shards={shards}", *TINY[:-1], "model.width=4,6")
    swept = f"module.optimizer.lr={','.join(str(rate) for rate in rates)}"
    done = train(*words, swept, f"hydra/launcher={launcher}", f"output={tmp_path / 's'}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "s")
    table = pd.read_csv(tmp_path / "s" / "sweep.csv")
    wanted = list(product([4, 6], rates))
    assert table["run"].tolist() == list(range(len(wanted)))
    assert table["model.width"].tolist() == [width for width, _ in wanted]
    if len(rates) > 1:
        assert table["module.optimizer.lr"].tolist() == [rate for _, rate in wanted]
    assert table["val/loss"].notna().all()
    for run in range(len(wanted)):
        assert (tmp_path / "s" / str(run) / "checkpoint" / "model.safetensors").is_file()


@pytest.mark.slow
def test_a_slip_in_a_sweep_is_one_line_before_anything_runs(shards: Path, tmp_path: Path) -> None:
    done = train("-m", "experiment=demo", f"shards={shards}", "model.widht=4,6", f"output={tmp_path / 's'}")
    assert done.returncode == 2
    assert "did you mean width?" in done.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("logger", "trace"), [("wandb", "wandb/offline-run-*"), ("tensorboard", "tensorboard/events*")]
)
def test_loggers_write_into_the_run_without_an_account(
    shards: Path, tmp_path: Path, logger: str, trace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    run = tmp_path / "run"
    done = train("experiment=demo", f"shards={shards}", *TINY, f"logger={logger}", f"output={run}")
    assert done.returncode == 0, done.stderr
    assert list(run.glob(trace)), sorted(path.name for path in run.rglob("*"))
    assert (run / "metrics.csv").is_file()
