"""A network that learns, beside depths, how its images were recorded."""

import pandas as pd
import pytest
from safetensors.numpy import load_file

from nanonet.records import InputError
from nanonet.train.run import train

TOLD = ("+data.dataset.settings=[dose]", "+module.settings=${data.dataset.settings}")


def test_the_dose_of_an_image_is_learnt_and_the_head_is_not_kept(small, tmp_path):
    words = ("model.context=true", "model.width=8", "data.epoch_size=128", "data.batch_size=16", *TOLD)
    folder = train(small(*words, "trainer.max_epochs=6"), tmp_path / "run")
    error = pd.read_csv(folder / "metrics.csv")["train/settings"]
    assert error.iloc[-1] < 0.5 * error.iloc[0]
    assert error.iloc[-1] < 0.4  # who guesses has 1
    assert not [name for name in load_file(folder / "checkpoint" / "model.safetensors") if "tell" in name]


def test_batches_of_one_image_are_learnt_from_too(small, tmp_path):
    words = ("model.context=true", "data.epoch_size=2", "data.batch_size=1", "trainer.max_epochs=1", *TOLD)
    folder = train(small(*words), tmp_path / "run")
    assert pd.read_csv(folder / "metrics.csv")["train/settings"].notna().all()


def test_a_network_without_context_cannot(small, tmp_path):
    with pytest.raises(InputError, match=r"give model\.context=true"):
        train(small("trainer.max_epochs=1", *TOLD), tmp_path / "run")


def test_a_setting_that_images_do_not_tell_is_named(small, tmp_path):
    words = ("model.context=true", "+data.dataset.settings=[focus]", "+module.settings=[focus]")
    with pytest.raises(InputError, match="names focus; the images have dose"):
        train(small(*words), tmp_path / "run")
