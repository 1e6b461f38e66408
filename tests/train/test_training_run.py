"""A training run: what it leaves, and that a stop changes nothing."""

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
from safetensors.numpy import load_file

from nanonet.records import InputError
from nanonet.train.checkpoint import load_network
from nanonet.train.run import train


def same_weights(first: Path, second: Path) -> bool:
    a, b = (load_file(folder / "checkpoint" / "model.safetensors") for folder in (first, second))
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def rows(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "metrics.csv")


def test_a_run_leaves_what_it_promises(small, tmp_path):
    folder = train(small("trainer.max_epochs=2"), tmp_path / "run")
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint",
        "config.yaml",
        "metrics.csv",
        "provenance.json",
    ]
    table = rows(folder)
    assert list(table["epoch"]) == [0, 1]
    wanted = {"train/loss", "val/loss", "val/exact", "val/within_one", "val/dice"}
    assert wanted <= set(table.columns)
    assert table[sorted(wanted)].notna().all(axis=None)
    assert json.loads((folder / "provenance.json").read_text())["seed"] == 0
    network = load_network(folder, task="column_depth")
    assert network.pixel_size == 0.25
    assert network.modality == "HRTEM"
    low, high = network.trained_range["dose"]
    assert 400 * np.exp(-0.5) <= low < high <= 400 * np.exp(0.5)
    card = (folder / "checkpoint" / "card.md").read_text()
    assert all(heading in card for heading in ("## Trained on", "## Tested", "## Not to be used for"))


def test_training_is_deterministic_and_the_seed_matters(small, tmp_path):
    config = small("trainer.max_epochs=1")
    first, second = train(config, tmp_path / "a"), train(config, tmp_path / "b")
    other = train(small("trainer.max_epochs=1", "seed=1"), tmp_path / "c")
    assert same_weights(first, second)
    assert not same_weights(first, other)


class StopAt:
    """Press Ctrl-C in a batch of an epoch."""

    def __new__(cls, epoch: int):
        from pytorch_lightning import Callback

        class Stop(Callback):
            def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
                if trainer.current_epoch == epoch and batch_idx == 1:
                    raise KeyboardInterrupt

        return Stop()


@pytest.mark.parametrize("words", [["data.num_workers=0"], ["data.num_workers=1"], ["callbacks=further"]])
def test_a_stopped_run_goes_on_to_the_same_result(small, tmp_path, monkeypatch, words):
    import nanonet.train.run as run

    if "callbacks=further" in words:
        words = [*words, f"pretrained={train(small('trainer.max_epochs=1'), tmp_path / 'first')}"]
    config = small(*words)
    whole = train(config, tmp_path / "whole")

    plain_fit = run.fit

    def stopped_fit(trainer, *rest):
        trainer.callbacks.insert(0, StopAt(2))
        plain_fit(trainer, *rest)

    stopped = tmp_path / "stopped"
    monkeypatch.setattr(run, "fit", stopped_fit)
    listening = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(config, stopped)
    assert signal.getsignal(signal.SIGINT) is listening
    assert (stopped / "resume" / "last.ckpt").is_file()
    assert not (stopped / "checkpoint").exists()
    assert list(rows(stopped)["epoch"]) == [0, 1]

    monkeypatch.setattr(run, "fit", plain_fit)
    train(config, stopped)
    assert same_weights(whole, stopped)
    pd.testing.assert_frame_equal(rows(whole), rows(stopped))


def test_a_finished_run_says_so_and_does_nothing(small, tmp_path, caplog):
    config = small("trainer.max_epochs=1")
    folder = train(config, tmp_path / "run")
    before = (folder / "checkpoint" / "model.safetensors").stat().st_mtime_ns
    assert train(config, folder) == folder
    assert (folder / "checkpoint" / "model.safetensors").stat().st_mtime_ns == before
    assert "is finished" in caplog.text


def test_a_folder_belongs_to_one_config(small, tmp_path):
    folder = train(small("trainer.max_epochs=1"), tmp_path / "run")
    with pytest.raises(InputError, match=r"another model\.width \(4, now 8\)"):
        train(small("trainer.max_epochs=1", "model.width=8"), folder)


def test_labels_and_network_must_have_the_same_classes(small, tmp_path):
    with pytest.raises(InputError, match=r"give model\.classes=4"):
        train(small("model.classes=7"), tmp_path / "run")


def test_a_run_that_diverges_is_stopped_with_one_line(small, tmp_path):
    with pytest.raises(InputError, match=r"lower module\.optimizer\.lr"):
        train(small("module.optimizer.lr=1e30", "trainer.gradient_clip_val=null"), tmp_path / "run")


@pytest.mark.parametrize("more", [[], ["model.context=true"]])
def test_training_goes_on_from_a_trained_network(small, tmp_path, more):
    """A global context adds nothing at first: a network that lacks one can get it."""
    first = train(small("trainer.max_epochs=3"), tmp_path / "first")
    words = ["trainer.max_epochs=1", "module.optimizer.lr=1e-9", f"pretrained={first}", "seed=1", *more]
    config = small(*words)
    second = train(config, tmp_path / "second")
    before, after = (load_file(run / "checkpoint" / "model.safetensors") for run in (first, second))
    learnt = [name for name in before if before[name].dtype == np.float16]
    assert all(np.allclose(before[name], after[name], atol=1e-3) for name in learnt)
    assert (set(after) > set(before)) == bool(more)
    assert f"begun with the weights of {first}" in (second / "checkpoint" / "card.md").read_text()
    assert "model.safetensors" in json.loads((second / "provenance.json").read_text())["inputs"]


def test_a_trained_network_keeps_its_averages_and_is_kept_as_an_average(small, tmp_path):
    """What is judged and kept moves slowly; the averages of normalisation do not move at all."""
    first = train(small("trainer.max_epochs=1"), tmp_path / "first")
    words = ["trainer.max_epochs=1", "module.optimizer.lr=0.01", f"pretrained={first}"]
    before, trained, kept = (
        load_file(run / "checkpoint" / "model.safetensors")
        for run in (
            first,
            train(small(*words), tmp_path / "plain"),
            train(small(*words, "callbacks=further"), tmp_path / "further"),
        )
    )
    averages = [name for name in before if "running" in name]
    assert averages
    assert all(np.array_equal(before[name], kept[name]) for name in averages)
    assert not any(np.array_equal(before[name], trained[name]) for name in averages)
    learnt = [name for name in before if before[name].dtype == np.float16 and before[name].ndim == 4]

    def moved(weights):
        return sum(float(np.abs(weights[name] - before[name].astype(np.float32)).sum()) for name in learnt)

    assert 0 < moved(kept) < 0.3 * moved(trained)


def test_kept_weights_lie_between_those_begun_with_and_those_trained(small, tmp_path):
    first = train(small("trainer.max_epochs=1"), tmp_path / "first")
    words = ["trainer.max_epochs=2", "module.optimizer.lr=0.01", f"pretrained={first}"]
    runs = {
        share: train(small(*words, f"pretrained_share={share}"), tmp_path / f"run{share}")
        for share in (0.0, 0.5)
    }
    before, after, middle = (
        load_file(run / "checkpoint" / "model.safetensors") for run in (first, runs[0.0], runs[0.5])
    )
    name = max((name for name in before if before[name].dtype == np.float16), key=lambda n: before[n].size)
    one, other, found = (each[name].astype(np.float32) for each in (before, after, middle))
    assert not np.allclose(one, other, atol=1e-2)
    assert found == pytest.approx((one + other) / 2, abs=2e-3)
    assert "50% those that it began with" in (runs[0.5] / "checkpoint" / "card.md").read_text()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["pretrained_share=0.5"], "give pretrained="),
        (["pretrained_share=1.0"], "less than 1"),
        (["callbacks=further"], "give pretrained="),
        (["model.width=8", "pretrained={run}"], "another network than model="),
        (["model.depth=1", "pretrained={run}"], "another network than model="),
        (["pretrained=zoo:particle_masks"], "trained for 'particle_mask'"),
        (["pretrained=zoo:no_such"], "known: "),
    ],
)
def test_weights_that_do_not_fit_are_refused(small, tmp_path, words, what):
    run = train(small("trainer.max_epochs=1"), tmp_path / "first")
    with pytest.raises(InputError, match=what):
        train(small(*(word.format(run=run) for word in words)), tmp_path / "second")


def test_a_damaged_state_is_named(small, tmp_path):
    folder = tmp_path / "run"
    (folder / "resume").mkdir(parents=True)
    (folder / "resume" / "last.ckpt").write_bytes(b"no pickle")
    with pytest.raises(InputError, match=r"last\.ckpt is damaged"):
        train(small(), folder)


def test_early_stop(small, tmp_path):
    config = small(
        "callbacks.early_stop.patience=1", "callbacks.early_stop.min_delta=100.0", "trainer.max_epochs=6"
    )
    assert len(rows(train(config, tmp_path / "run"))) == 2


@pytest.mark.parametrize("loss", ["earth_mover", "ordinal"])
def test_every_loss_trains(small, tmp_path, loss):
    table = rows(train(small(f"loss={loss}", "trainer.max_epochs=2"), tmp_path / "run"))
    assert table["train/loss"].iloc[-1] < table["train/loss"].iloc[0]


@pytest.mark.slow
def test_training_learns_depth(small, tmp_path):
    config = small("data.epoch_size=256", "trainer.max_epochs=4", "model.width=8", "data.batch_size=8")
    last = rows(train(config, tmp_path / "run")).iloc[-1]
    assert last["val/exact"] > 0.9
    assert last["val/within_one"] > 0.98


@pytest.mark.slow
def test_tensorboard(small, tmp_path):
    pytest.importorskip("tensorboard")
    folder = train(small("logger=tensorboard", "trainer.max_epochs=1"), tmp_path / "run")
    assert list((folder / "tensorboard").rglob("events.out.tfevents*"))


SCRIPT = """
import sys, yaml
from pathlib import Path
from nanonet.train.run import train
train(yaml.safe_load(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_result(small, tmp_path):
    from omegaconf import OmegaConf

    config = small("trainer.max_epochs=6")
    text = tmp_path / "config.yaml"
    text.write_text(OmegaConf.to_yaml(config))
    whole, killed = train(config, tmp_path / "whole"), tmp_path / "killed"
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(text), str(killed)], env={**os.environ, "PYTHONPATH": path}
    )
    deadline = time.monotonic() + 60
    while not (killed / "resume" / "last.ckpt").is_file() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert (killed / "resume" / "last.ckpt").is_file(), "the run ended before it could be killed"
    train(config, killed)
    assert same_weights(whole, killed)
