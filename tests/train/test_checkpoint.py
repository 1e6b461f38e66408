import json
import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import save_file

from nanonet.models.unet import UNet
from nanonet.records import Estimate, Familiarity, InputError
from nanonet.train import weights_file
from nanonet.train.card import NetworkCard
from nanonet.train.checkpoint import load_network
from nanonet.train.own_state import read_own_state
from nanonet.train.predictor import Predictor
from nanonet.train.weights_file import round_weights, save_checkpoint

MODEL = {"_target_": "nanonet.models.unet.UNet", "classes": 4, "width": 4, "depth": 2}
CARD = NetworkCard(
    task="column_depth",
    pixel_size=0.25,
    modality="HRTEM",
    trained_range={"dose": (200.0, 4000.0)},
    metrics=(Estimate(name="exact", value=0.81, low=0.7, high=0.9, note="over 12 structures"),),
    training=("40 simulated structures of CeO2",),
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = UNet(classes=4, width=4, depth=2)
    with torch.no_grad():
        network(torch.rand(2, 1, 16, 16))  # running averages that are not the neutral ones
    round_weights(network)
    return network.eval()


@pytest.fixture
def saved(network, tmp_path):
    return save_checkpoint(tmp_path / "net", network, model=MODEL, card=CARD, config={"seed": 0})


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson(20, (3, 1, 21, 30)).astype(np.float32)


def rewrite(path, change):
    """Write a checkpoint's file again with another header."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["nanonet"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(header, weights)
    save_file(weights, path, metadata={"nanonet": json.dumps(header)})


def test_one_file_rebuilds_its_network(network, saved, counts, tmp_path):
    (saved / "model.safetensors").rename(tmp_path / "alone.safetensors")
    loaded = load_network(tmp_path / "alone.safetensors", task="column_depth")
    assert np.array_equal(loaded.predict(counts), Predictor(network, "cpu")(counts))
    assert loaded.task == "column_depth"
    assert loaded.pixel_size == 0.25
    assert loaded.modality == "HRTEM"
    assert loaded.trained_range == {"dose": (200.0, 4000.0)}
    assert len(loaded.sha256) == 64


def test_a_folder_a_run_and_a_name_lead_to_the_same_file(saved, monkeypatch, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "checkpoint").symlink_to(saved)
    monkeypatch.setattr(weights_file, "ZOO", tmp_path)
    names = [saved, str(saved), saved / "model.safetensors", run, "zoo:net"]
    assert len({load_network(name).sha256 for name in names}) == 1


def test_weights_of_half_the_precision_read_nearly_the_same(saved, counts):
    torch.manual_seed(0)
    network = UNet(classes=4, width=4, depth=2)
    with torch.no_grad():
        network(torch.rand(2, 1, 16, 16))
    with torch.inference_mode():
        exact = network.eval()(torch.from_numpy(counts)).numpy()
    assert np.abs(load_network(saved).predict(counts) - exact).max() < 0.02 * np.abs(exact).max()
    with safe_open(saved / "model.safetensors", framework="pt") as file:
        types = {name: file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
    learnt = {name for name, _ in network.named_parameters()}
    assert {types[name] for name in learnt} == {torch.float16}
    assert {types[name] for name in types.keys() - learnt} == {torch.float32, torch.int64}


def test_averages_beyond_half_precision_come_back(network, counts, tmp_path):
    """Before a normalisation features may vary by any amount, and the network reads as before."""
    with torch.no_grad():
        network.down[1][1].running_var.fill_(3e6)
    folder = save_checkpoint(tmp_path / "net", network, model=MODEL, card=CARD, config={})
    found = load_network(folder).predict(counts)
    assert np.isfinite(found).all()
    assert np.array_equal(found, Predictor(network, "cpu")(counts))


@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_weights_that_cannot_be_written_are_refused(network, tmp_path, value):
    with torch.no_grad():
        network.head.weight[0] = value
    with pytest.raises(InputError, match=r"head\.weight are not finite"):
        save_checkpoint(tmp_path / "net", network, model=MODEL, card=CARD, config={})
    assert not (tmp_path / "net").exists()


def test_rounding_twice_is_rounding_once(network, counts):
    before = Predictor(network, "cpu")(counts)
    round_weights(network)
    assert np.array_equal(Predictor(network, "cpu")(counts), before)


def test_what_is_known_of_its_training_comes_along(network, tmp_path):
    rng = np.random.default_rng(0)
    known = Familiarity(
        side=64,
        log_dose=np.array([1.0, 3.0]),
        features=np.sort(rng.normal(size=(2, 4, 7)), axis=-1),
        weight=np.ones(1),
        mean=np.zeros((1, 5)),
        spread=np.eye(5)[None],
        surprise=np.sort(rng.normal(size=(2, 7)), axis=-1),
        tail=0.7,
        frames=300,
        structures=30,
    )
    card = replace(CARD, familiarity=known)
    folder = save_checkpoint(tmp_path / "net", network, model=MODEL, card=card, config={})
    told = load_network(folder).familiarity
    assert told is not None
    assert (told.side, told.frames, told.structures, told.tail) == (64, 300, 30, 0.7)
    for name in ("log_dose", "features", "mean", "spread", "surprise"):
        assert np.allclose(getattr(told, name), getattr(known, name), rtol=1e-5, atol=1e-9)


def test_a_folder_tells_all(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["card.md", "config.yaml", "model.safetensors"]
    assert yaml.safe_load((saved / "config.yaml").read_text()) == {"seed": 0}
    assert len({path.stat().st_mode for path in saved.iterdir()}) == 1  # who reads the card reads the weights
    card = (saved / "card.md").read_text()
    for told in (
        "40 simulated structures of CeO2",
        "HRTEM, pixels of 0.25 Å",
        "dose: 200 to 4000 e/Å²",
        "| exact | 0.810 | 0.700 to 0.900 | over 12 structures |",
        "## Not to be used for",
    ):
        assert told in card


def test_the_same_network_makes_the_same_file(network, saved, tmp_path):
    again = save_checkpoint(tmp_path / "again", network, model=MODEL, card=CARD, config={"seed": 0})
    assert (again / "model.safetensors").read_bytes() == (saved / "model.safetensors").read_bytes()


def test_a_checkpoint_replaces_another_whole(network, saved):
    (saved / "stray").write_text("")
    save_checkpoint(saved, network, model=MODEL, card=CARD, config={})
    assert not (saved / "stray").exists()
    assert [path.name for path in saved.parent.iterdir()] == ["net"]


def test_another_task_is_refused(saved):
    with pytest.raises(
        InputError, match="was trained for 'column_depth', this needs one for 'particle_mask'"
    ):
        load_network(saved, task="particle_mask")


def test_missing_ones_are_named(tmp_path, monkeypatch, saved):
    with pytest.raises(InputError, match=r"nowhere does not exist: give a folder"):
        load_network(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty holds no model\.safetensors"):
        load_network(tmp_path / "empty")
    monkeypatch.setattr(weights_file, "ZOO", tmp_path)
    with pytest.raises(InputError, match="no network 'zoo:nut'; known: net"):
        load_network("zoo:nut")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused_in_one_line(saved, share):
    path = saved / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="is damaged or no checkpoint") as caught:
        load_network(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"II*\0" + bytes(100), b"\x80\x02}q\x00.", struct.pack("<Q", 2**60) + b"{}"]
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged or no checkpoint"):
        load_network(path)


def test_weights_of_others_are_refused(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "foreign.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="it is no nanonet checkpoint"):
        load_network(tmp_path / "foreign.safetensors")


def test_a_pickle_is_never_loaded(tmp_path):
    flag = tmp_path / "flag"

    class Evil:
        def __reduce__(self):
            return (flag.write_text, ("run",))

    for name in ("evil.safetensors", "evil.ckpt"):
        torch.save({"state_dict": Evil()}, tmp_path / name)
        with pytest.raises(InputError, match="is damaged or no checkpoint"):
            load_network(tmp_path / name)
    with pytest.raises(InputError, match="is damaged"):
        read_own_state(tmp_path / "evil.ckpt")
    assert not flag.exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("os.system", "not of a trusted package"),
        ("nanonet.provenance.hash_file", "which is no network"),
        ("nanonet.models.unet.Nothing", "does not exist"),
    ],
)
def test_a_header_may_name_networks_only(saved, target, message):
    rewrite(saved / "model.safetensors", lambda header, _: header["model"].update(_target_=target))
    with pytest.raises(InputError, match=message):
        load_network(saved)


def test_nor_may_a_part_of_the_network_be_anything_else(saved):
    part = {"_target_": "nanonet.provenance.hash_file", "path": "x"}
    rewrite(saved / "model.safetensors", lambda header, _: header["model"].update(classes=part))
    with pytest.raises(InputError, match=r"names nanonet\.provenance\.hash_file, which is no network"):
        load_network(saved)


def test_weights_of_another_network_are_refused(saved):
    rewrite(saved / "model.safetensors", lambda header, _: header["model"].update(width=8))
    with pytest.raises(InputError, match=r"are not those of its nanonet\.models\.unet\.UNet"):
        load_network(saved)


def test_weights_that_are_not_finite_are_refused(saved):
    rewrite(saved / "model.safetensors", lambda _, weights: weights["head.weight"].fill_(torch.nan))
    with pytest.raises(InputError, match="weights that are not finite"):
        load_network(saved)


def test_a_newer_format_is_refused(saved):
    rewrite(saved / "model.safetensors", lambda header, _: header.update(format=2))
    with pytest.raises(InputError, match="has format 2, this nanonet reads 1"):
        load_network(saved)


def test_loading_needs_no_lightning():
    code = (
        "import sys, nanonet.train.checkpoint;"
        "sys.exit('pytorch_lightning' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
