"""Schedule, arithmetic, metrics.csv, evaluation, progress and the shipped configs."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from nanonet.data.column_depth import ColumnDepthDataset
from nanonet.train.csv_logger import CsvLogger
from nanonet.train.evaluation import evaluate_column_depth
from nanonet.train.folder import first_difference
from nanonet.train.progress import clock
from nanonet.train.schedule import one_cycle
from nanonet.train.trainer import best_precision


def rates(steps, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    schedule = one_cycle(optimizer, steps=steps, **options)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return np.array([*found, optimizer.param_groups[0]["lr"]])


def test_the_rate_rises_once_and_falls_to_zero():
    found = rates(200, warm_up=0.25)
    assert found.argmax() == 50
    assert found.max() == 0.5
    assert found[0] == pytest.approx(0.04 * 0.5)
    assert found[-1] == pytest.approx(0, abs=1e-9)
    assert (np.diff(found[:51]) > 0).all()
    assert (np.diff(found[50:]) < 0).all()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_short_runs_have_a_rate_too(steps):
    assert np.isfinite(rates(steps)).all()


def test_precision_is_bfloat16_only_where_the_processor_has_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert best_precision("cpu") == best_precision("auto") == "bf16-mixed"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False})
    assert best_precision("cpu") == "32-true"


def test_metrics_have_a_row_an_epoch_and_survive_a_stop(tmp_path):
    first = CsvLogger(tmp_path)
    for epoch in range(3):
        first.log_metrics({"epoch": epoch, "val/loss": 1.0 - 0.1 * epoch}, step=10 * epoch + 9)
        first.log_metrics({"epoch": epoch, "train/loss": 2.0}, step=10 * epoch + 9)
    first.save()
    second = CsvLogger(tmp_path)
    second.log_metrics({"epoch": 2, "val/loss": 0.5}, step=29)
    second.log_metrics({"epoch": 3, "val/loss": 0.25, "val/new": 7.0}, step=39)
    second.finalize("success")
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert list(table.columns) == ["epoch", "step", "train/loss", "val/loss", "val/new"]
    assert table["epoch"].tolist() == [0, 1, 2, 3]
    assert table["val/loss"].tolist() == pytest.approx([1.0, 0.9, 0.5, 0.25])
    assert table["step"].tolist() == [9, 19, 29, 39]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_evaluation_has_intervals_over_structures():
    from synthetic_columns import BlobSampler

    class Oracle(torch.nn.Module):
        """Reads every column as one of two atoms."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, counts):
            logits = torch.zeros(len(counts), 4, *counts.shape[-2:])
            logits[:, 2] = 9
            return logits

    dataset = ColumnDepthDataset(BlobSampler(count=6), range(6), epoch_size=12, max_depth=3)
    found = {estimate.name: estimate for estimate in evaluate_column_depth(Oracle(), dataset)}
    depths = np.concatenate([dataset.sample(index).depths for index in range(12)])
    assert found["exact"].value == pytest.approx(np.mean(depths == 2), abs=0.03)
    assert found["exact"].low < found["exact"].value < found["exact"].high
    assert found["within_one"].value == 1
    assert found["dice"].value < 0.5
    single = ColumnDepthDataset(BlobSampler(count=6), [3], epoch_size=4, max_depth=3)
    assert evaluate_column_depth(Oracle(), single)[0].low is None


def test_configs_are_compared_key_by_key():
    assert first_difference({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}) is None
    assert first_difference({"a": {"b": 1}}, {"a": {"b": 2}}) == "a.b (1, now 2)"
    assert first_difference({"a": 1}, {"a": 1, "c": None}) is None
    assert first_difference({"a": 1}, {}) == "a (1, now None)"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61.4, "1:01"), (3725, "1:02:05")])
def test_time_left(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["experiment=demo"],
        ["logger=wandb", "loss=ordinal", "trainer=gpu"],
        ["logger=tensorboard", "loss=earth_mover", "trainer=cpu"],
    ],
)
def test_shipped_configs_are_sound(words, small):
    """Composing checks every target and every keyword."""
    config = small(*words)
    assert math.isfinite(config.module.optimizer.lr)
    assert "csv" in config.logger
