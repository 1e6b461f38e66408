"""What a sweep may choose: every network and loss that is shipped trains, is saved, and reads again."""

import numpy as np
import pandas as pd
import pytest

from nanonet.train.checkpoint import load_network
from nanonet.train.run import train

NETWORKS = {
    "mixed_scale": ["model.dilations=[1,2,3]", "model.stride=2"],
    "equivariant_unet": ["model.width=8", "model.stride=2"],
}


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_trains_and_comes_back_from_its_file(small, tmp_path, name):
    words = [f"model={name}", *NETWORKS[name], "trainer.max_epochs=2"]
    folder = train(small(*words), tmp_path / "run")
    table = pd.read_csv(folder / "metrics.csv")
    assert table["train/loss"].iloc[-1] < table["train/loss"].iloc[0]
    network = load_network(folder, task="column_depth")
    counts = np.random.default_rng(0).poisson(20.0, (2, 1, 37, 50)).astype(np.float32)
    logits = network.predict(counts)
    assert logits.shape == (2, 4, 37, 50)
    np.testing.assert_allclose(logits, load_network(folder).predict(counts), atol=1e-6)


@pytest.mark.parametrize("name", ["cumulative_cross_entropy", "smoothed_cross_entropy"])
def test_every_loss_trains(small, tmp_path, name):
    table = pd.read_csv(
        train(small(f"loss={name}", "trainer.max_epochs=2"), tmp_path / "run") / "metrics.csv"
    )
    assert table["train/loss"].iloc[-1] < table["train/loss"].iloc[0]


def test_frames_in_a_row_are_read_together(small):
    from nanonet.configuration import build

    for name, words in NETWORKS.items():
        network = build(small(f"model={name}", *words, "model.in_channels=7")["model"])
        assert (network.frames, network.classes) == (7, 4)
