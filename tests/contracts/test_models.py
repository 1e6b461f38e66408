"""What every network promises; a new one adds a line to MODELS."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from nanonet.configuration import build

MODELS = {
    "unet": {"_target_": "nanonet.models.unet.UNet", "classes": 4, "width": 8, "depth": 2},
    "unet_group": {
        "_target_": "nanonet.models.unet.UNet",
        "classes": 4,
        "width": 8,
        "depth": 2,
        "normalisation": "group",
    },
    "unet_instance": {
        "_target_": "nanonet.models.unet.UNet",
        "classes": 4,
        "width": 4,
        "depth": 3,
        "normalisation": "instance",
    },
    "unet_plain": {
        "_target_": "nanonet.models.unet.UNet",
        "classes": 4,
        "width": 4,
        "depth": 1,
        "normalisation": "none",
    },
    "deeplabv3plus": {
        "_target_": "nanonet.models.deeplabv3plus.DeepLabV3Plus",
        "classes": 4,
        "width": 8,
        "pyramid": 16,
        "skipped": 8,
    },
    "deeplabv3plus_8": {
        "_target_": "nanonet.models.deeplabv3plus.DeepLabV3Plus",
        "classes": 4,
        "width": 8,
        "pyramid": 16,
        "skipped": 8,
        "output_stride": 8,
    },
}


def images(number: int = 2, size: tuple[int, int] = (24, 32), seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.poisson(torch.rand(number, 1, *size, generator=generator) * 40, generator=generator)


@pytest.fixture(params=sorted(MODELS))
def node(request):
    return MODELS[request.param]


@pytest.fixture
def training(node):
    torch.manual_seed(0)
    return build(node)


@pytest.fixture
def network(training):
    """In evaluation mode, after a few steps, so that running averages are not the neutral ones."""
    optimizer = torch.optim.SGD(training.parameters(), lr=1e-3)
    for step in range(3):
        optimizer.zero_grad()
        training(images(4, seed=step)).square().mean().backward()
        optimizer.step()
    return training.eval()


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (24, 24), (37, 53), (64, 16)])
def test_any_size_comes_out_as_it_went_in(network, size):
    with torch.inference_mode():
        logits = network(images(2, size))
    assert logits.shape == (2, 4, *size)
    assert logits.isfinite().all()


def test_images_of_a_batch_do_not_meet(network):
    batch = images(3)
    with torch.inference_mode():
        together = network(batch)
        apart = torch.cat([network(image[None]) for image in batch])
    assert torch.allclose(together, apart, atol=1e-4)


def test_gradients_reach_every_weight(training):
    training(images()).logsumexp(1).mean().backward()
    for name, parameter in training.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert sum(bool(parameter.grad.abs().max() > 0) for parameter in training.parameters()) > 2


def test_it_learns_one_image(training):
    optimizer = torch.optim.AdamW(training.parameters(), lr=1e-2)
    image = images(1)
    label = (image[:, 0] > image.mean()).long() * 3
    first = last = None
    for _ in range(30):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(training(image), label)
        loss.backward()
        optimizer.step()
        first, last = first or loss.item(), loss.item()
    assert last < 0.5 * first


def test_memory_format_changes_nothing(network):
    batch = images()
    with torch.inference_mode():
        plain = network(batch)
        network.to(memory_format=torch.channels_last)
        last = network(batch.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(plain, last, atol=1e-4)


def test_applying_it_twice_is_the_same(network):
    batch = images()
    with torch.inference_mode():
        assert torch.equal(network(batch), network(batch))


@pytest.mark.parametrize("gain", [1e-3, 0.37, 4096.0])
def test_the_gain_of_the_detector_drops_out(network, gain):
    batch = images()
    with torch.inference_mode():
        assert torch.allclose(network(batch), network(batch * gain), atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 7.0, float("nan")])
def test_constant_and_empty_images_give_finite_logits(network, value):
    with torch.inference_mode():
        assert network(torch.full((1, 1, 24, 24), value)).isfinite().all()


def test_forward_is_normalise_then_logits(network):
    batch = images()
    with torch.inference_mode():
        assert torch.equal(network(batch), network.logits(network.normalise(batch)))


def test_bfloat16_is_close(network):
    batch = images()
    with torch.inference_mode():
        exact = network(batch)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(batch).float()
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()


def test_half_images_at_double_precision(network):
    """Counts of any type come out the same: uint16 from a camera, float64 from an average."""
    batch = images()
    with torch.inference_mode():
        assert torch.equal(network(batch), network(batch.double()))
        assert torch.equal(network(batch), network(batch.to(torch.int32)))


def test_weights_rebuild_it_through_a_file(node, network, tmp_path):
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    again = build(node).eval()
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    with torch.inference_mode():
        assert torch.equal(network(images()), again(images()))


def test_the_number_of_classes_is_told(node, training):
    assert training.classes == node["classes"]


def test_mirrored_images_are_taken(network):
    """Negative strides and views as numpy makes them."""
    mirrored = torch.from_numpy(np.flip(images().numpy(), -1).copy())
    with torch.inference_mode():
        view = network(mirrored.flip(-1))
        assert torch.allclose(view, network(images()), atol=1e-4)
