"""Which readers there are, why others are not, and when two are the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
from column_depth_choice import READERS, Choice, absent, network_look, readers
from column_depth_exposures import KnownMovie, expose
from column_depth_informed import informed_stage
from column_depth_readers import alone, in_a_row

from nanonet.configuration import compose
from nanonet.models.unet import UNet
from nanonet.train.card import NetworkCard
from nanonet.train.weights_file import save_checkpoint
from simulate.camera.detector import Detector
from simulate.tem.microscope import Setting
from simulate.tem.optics import Optics


def saved(folder: Path, frames: int, seed: int = 0) -> str:
    """Write a checkpoint of a small network of random weights."""
    size = {"in_channels": frames, "classes": 4, "width": 4, "depth": 2}
    torch.manual_seed(seed)
    network = UNet(in_channels=frames, classes=4, width=4, depth=2).eval()
    card = NetworkCard(task="column_depth", pixel_size=0.25, modality="HRTEM")
    model = {"_target_": "nanonet.models.unet.UNet", **size}
    return str(save_checkpoint(folder, network, model=model, card=card, config={}))


@pytest.fixture
def movie() -> KnownMovie:
    """Return four frames of nothing in particular."""
    rng = np.random.default_rng(0)
    return KnownMovie(
        name="noise",
        crystal="ceo2_110",
        modality="HRTEM",
        energy=300e3,
        expected=rng.uniform(0.03, 0.08, (4, 48, 48)).astype(np.float32),
        positions=np.full((4, 1, 2), 6.0),
        depths=np.ones((4, 1), dtype=int),
        setting=Setting(optics=Optics(energy=300e3), detector=Detector(pixel_size=0.25, dose=1.0)),
    )


def test_readers_that_are_not_there_say_why(tmp_path: Path) -> None:
    choice = Choice(names=tuple(READERS))
    assert {"network", "seven_frames", "likelihood"} <= set(absent(choice))
    assert absent(choice)["network"] == "no --checkpoint"
    assert set(readers(choice)) | set(absent(choice)) == set(READERS)
    single = Choice(names=("network", "seven_frames"), checkpoint=saved(tmp_path / "net", frames=1))
    assert set(readers(single)) == {"network"}
    assert "single frames" in absent(single)["seven_frames"]
    told = Choice(names=("network_told",), checkpoint=single.checkpoint)
    assert "cannot be told" in absent(told)["network_told"]


def test_a_network_is_known_by_its_weights(tmp_path: Path) -> None:
    places = [saved(tmp_path / name, 1, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    found = [readers(Choice(names=("network", "markov"), checkpoint=place)) for place in places]
    first, moved, other = (of["network"].identity for of in found)
    assert first == moved != other
    assert len({found[0][name].identity for name in ("network", "markov")}) == 2


def test_readers_that_begin_alike_look_once(tmp_path: Path, movie: KnownMovie) -> None:
    names, checkpoint = ("network", "markov", "seven_frames", "seven_frames_markov"), saved(tmp_path / "n", 7)
    chosen = readers(Choice(names=names, checkpoint=checkpoint))
    exposure = expose(movie, 400.0, 0)
    for reader in chosen.values():
        reader.read(exposure)
    chosen["network"].read(expose(movie, 400.0, 1))
    looks = {way: network_look(checkpoint, way)[0] for way in (alone, in_a_row)}
    info = {way: look.cache_info() for way, look in looks.items()}  # type: ignore[attr-defined]
    assert (info[alone].misses, info[alone].hits) == (2, 1)
    assert (info[in_a_row].misses, info[in_a_row].hits) == (1, 1)


def test_slow_readers_read_only_what_they_are_asked_to(tmp_path: Path, movie: KnownMovie) -> None:
    chosen = readers(Choice(names=("summed_frames", "classical"), checkpoint=saved(tmp_path / "net", 1)))
    for reader in chosen.values():
        frames = reader.frames(len(movie.depths), seed=2)
        found = reader.read(expose(movie, 400.0, 2).only(frames))
        assert set(found["frame"]) <= {2}


@pytest.mark.parametrize("told", [0.25, 0.275])
def test_the_informed_reader_is_told_every_place_and_the_pixel_size(
    told: float, movie: KnownMovie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["columns.library.shards=shards", "columns.library.setting=told"]
    node = compose("infer", ["pipeline=columns", "input=unused", "columns=likelihood", *words]).columns
    monkeypatch.setenv("NANONET_TRUST", "types")
    node.library._target_ = "types.SimpleNamespace"  # what a library is asked for; it has tests of its own
    for folder in (tmp_path, tmp_path / movie.crystal):
        folder.mkdir(exist_ok=True)
        prepare = informed_stage(node, tmp_path)
        stage, again = (prepare(expose(movie, 400.0, seed, pixel_size=told)) for seed in (0, 1))
        keywords = stage.keywords  # type: ignore[attr-defined]
        np.testing.assert_allclose(keywords["places"].of(3), movie.positions[3] * told / 0.25)
        assert keywords["library"].setting.pixel_size == told
        assert keywords["library"].shards == folder
        assert again.keywords["library"] is keywords["library"]  # type: ignore[attr-defined]
