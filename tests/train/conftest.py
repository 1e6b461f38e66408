"""Small training runs: configs that draw from the synthetic sampler beside this file."""

import sys
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="session", autouse=True)
def synthetic_columns():
    """Make the sampler a package that configs may name."""
    patch = pytest.MonkeyPatch()
    patch.setenv("NANONET_TRUST", "synthetic_columns")
    patch.syspath_prepend(HERE)
    yield
    patch.undo()
    sys.modules.pop("synthetic_columns", None)


@pytest.fixture
def small():
    """Return the config of a run of seconds, with overrides."""
    from nanonet.configuration import compose

    def composed(*words: str):
        return compose(
            "train",
            [
                "shards=none",
                "data.sampler._target_=synthetic_columns.BlobSampler",
                "~data.sampler.shards",
                "data.epoch_size=16",
                "data.validation_size=8",
                "data.batch_size=4",
                "data.num_workers=0",
                "data.dataset.max_depth=3",
                "model.classes=4",
                "model.width=4",
                "model.depth=2",
                "trainer=cpu",
                "trainer.max_epochs=4",
                *words,
            ],
        )

    return composed
