"""Weights & Biases offline, for real: its service runs, and what was logged is read back from its file."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from nanonet.train.run import train

BLOCK = 32 * 1024
HEADER = 7
"""Bytes before the first record, and before each piece of one: checksum, length, kind."""
WHOLE, LAST = 1, 4


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """Without an account, and nothing of this user's; skips where the service of wandb cannot start."""
    wandb = pytest.importorskip("wandb")
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DIR"):
        monkeypatch.setenv(name, "")  # so that what Lightning sets is undone
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    try:
        wandb.init(mode="offline", dir=tmp_path, settings=wandb.Settings(silent=True)).finish()
    except (wandb.errors.Error, OSError) as error:
        pytest.skip(f"the service of wandb does not start here: {error}")
    wandb.teardown()  # it reads the environment once
    yield wandb
    wandb.teardown()


def records(file: Path) -> Iterator[bytes]:
    """Yield the records of a run's file: a log as LevelDB writes it, pieces in blocks of 32 KiB."""
    data, at, pieces = file.read_bytes(), HEADER, b""
    assert data[:4] == b":W&B"
    while at + HEADER <= len(data):
        if BLOCK - at % BLOCK < HEADER:  # too little room for a piece: zeros up to the next block
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + HEADER])
        pieces += data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (WHOLE, LAST):
            yield pieces
            pieces = b""


def logged(file: Path) -> list[dict[str, float]]:
    """Return what was logged, a row a step, as `wandb sync` would upload it."""
    from wandb.proto.wandb_internal_pb2 import Record

    rows = [Record.FromString(record).history.item for record in records(file)]
    return [
        {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in row}
        for row in rows
        if row
    ]


@pytest.mark.slow
def test_an_offline_run_holds_its_metrics(small, tmp_path, alone):
    folder = train(small("logger=wandb", "trainer.max_epochs=2"), tmp_path / "run")
    alone.teardown()  # as the end of the process does
    (file,) = (folder / "wandb").glob("offline-run-*/*.wandb")
    rows, table = logged(file), pd.read_csv(folder / "metrics.csv")
    assert len(table) == 2
    for name in ("train/loss", "val/loss", "val/exact", "val/dice"):
        found = [row[name] for row in rows if name in row]
        assert found == pytest.approx(table[name].tolist(), rel=1e-5), name
