"""From nothing to an embedding: the whole way, with a small network and few bodies."""

from pathlib import Path

import numpy as np
import pytest

from nanonet.cli.main import main
from nanonet.train.checkpoint import load_network

WORDS = [
    "experiment=particle_embedding",
    "data.sampler.bodies.number=8",
    "data.sampler.bodies.families=[faceted,prism]",
    "data.sampler.bodies.views=4",
    "data.sampler.bodies.misfits=1",
    "data.sampler.shown=4",
    "data.sampler.edge=40",
    "data.validation_fraction=0.4",
    "data.dataset.kinds=2",
    "data.epoch_size=4",
    "data.validation_size=2",
    "model.width=8",
    "model.size=3",
    "trainer=cpu",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedding") / "run"
    assert main(["train", *WORDS, "trainer.max_epochs=2", f"output={folder}"]) == 0
    return folder


def test_the_checkpoint_gives_a_vector_a_view(run: Path) -> None:
    network = load_network(run, task="particle_embedding")
    assert network.predict(np.random.default_rng(0).random((5, 3, 40, 40), np.float32)).shape == (5, 3, 1, 1)
    assert network.modality == "HAADF"


def test_the_card_says_how_well_unseen_kinds_are_told_apart(run: Path) -> None:
    card = (run / "checkpoint" / "card.md").read_text(encoding="utf-8")
    assert "| nearest |" in card
    assert "over 2 populations of 2 kinds" in card


def test_more_kinds_than_bodies_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = [word for word in WORDS if "kinds" not in word]
    assert main(["train", *words, "data.dataset.kinds=9", f"output={tmp_path / 'run'}"]) == 2
    assert "data.dataset.kinds" in capsys.readouterr().err
