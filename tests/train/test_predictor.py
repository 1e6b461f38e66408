import copy

import numpy as np
import pytest
import torch
from torch import nn

from nanonet.models.equivariant_unet import EquivariantUNet
from nanonet.models.mixed_scale import MixedScaleDense
from nanonet.models.symmetry_average import SymmetryAverage
from nanonet.models.unet import UNet
from nanonet.records import InputError
from nanonet.train import predictor
from nanonet.train.predictor import Predictor, fastest_dtype, fold_normalisation

NETWORKS = {
    "unet": lambda: UNet(in_channels=3, classes=5, width=8, depth=2, stride=2),
    "group": lambda: UNet(in_channels=3, classes=5, width=8, depth=2, normalisation="group"),
    "mixed_scale": lambda: MixedScaleDense(in_channels=3, classes=5, width=4, depth=4, stride=2),
    "equivariant": lambda: EquivariantUNet(in_channels=3, classes=5, width=8, depth=1, stride=2),
    "average": lambda: SymmetryAverage(UNet(in_channels=3, classes=5, width=8, depth=1, stride=2)),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    torch.manual_seed(0)
    made = NETWORKS[request.param]()
    with torch.no_grad():
        for _ in range(20):  # running averages that are those of such images
            made(torch.poisson(torch.full((4, 3, 32, 32), 20.0)))
    return made.eval()


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson(20, (3, 3, 32, 48)).astype(np.float32)


def plain(network, counts):
    with torch.no_grad():
        return network(torch.from_numpy(counts)).numpy()


def test_in_single_precision_it_is_the_network(network, counts):
    found = Predictor(network, "cpu", dtype=torch.float32)(counts)
    expected = plain(network, counts)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_in_bfloat16_probabilities_are_nearly_the_same_and_in_single_precision(network, counts):
    found = Predictor(network, "cpu", dtype=torch.bfloat16)(counts)
    assert found.dtype == np.float32
    difference = softmax(found) - softmax(plain(network, counts))
    assert 0 < np.abs(difference).max() < 0.05
    # Logits of 8 significant bits would often be equal to each other.
    assert len(np.unique(found)) > 0.9 * found.size / (8 if isinstance(network, SymmetryAverage) else 1)


def softmax(logits):
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_network_that_is_given_stays_as_it_is(network, counts, dtype):
    before = copy.deepcopy(network.state_dict())
    frozen = Predictor(network, "cpu", dtype=dtype)
    first = frozen(counts)
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2)
    assert np.array_equal(frozen(counts), first)


def test_a_network_in_training_is_applied_as_trained(counts):
    torch.manual_seed(0)
    network = UNet(in_channels=3, classes=5, width=4, depth=1)
    found = Predictor(network, "cpu", dtype=torch.float32)(counts)
    assert network.training
    assert np.allclose(found, plain(network.eval(), counts), atol=1e-5)


def test_folding_leaves_no_batch_normalisation():
    network = NETWORKS["unet"]().eval()
    n_convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    fold_normalisation(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert sum(isinstance(module, nn.Conv2d) for module in network.modules()) == n_convolutions


def test_what_averages_over_the_frame_is_not_folded():
    network = NETWORKS["group"]().eval()
    fold_normalisation(network)
    assert any(isinstance(module, nn.GroupNorm) for module in network.modules())


def test_images_come_in_parts(counts, monkeypatch):
    network = NETWORKS["unet"]().eval()
    apply = Predictor(network, "cpu", dtype=torch.float32)
    whole = apply(counts)
    monkeypatch.setattr(predictor, "PIXELS_AT_ONCE", 1)
    assert np.allclose(apply(counts), whole, atol=1e-5)


def test_large_frames_are_read_in_tiles_without_seams():
    network = NETWORKS["unet"]().eval()
    counts = np.random.default_rng(0).poisson(20, (1, 3, 1040, 64)).astype(np.float32)
    found = Predictor(network, "cpu", dtype=torch.float32)(counts)
    assert np.allclose(found, plain(network, counts), atol=1e-4)


def test_the_processor_decides(monkeypatch):
    capabilities = {"avx512_bf16": True, "amx_bf16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert fastest_dtype("cpu") == torch.bfloat16
    assert fastest_dtype("cuda") == torch.float32
    capabilities["avx512_bf16"] = False
    assert fastest_dtype("cpu") == torch.float32


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8), (0, 1, 8, 8)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match=r"takes images \(b, frame, y, x\), got shape"):
        Predictor(NETWORKS["unet"](), "cpu")(np.ones(shape, np.float32))
