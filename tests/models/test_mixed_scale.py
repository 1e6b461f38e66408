"""What is particular to the mixed-scale dense network; tests/contracts/test_models.py has what all share."""

import pytest
import torch
from torch.nn import functional

from nanonet.models.mixed_scale import MixedScaleDense, as_computed, reflected
from nanonet.models.tiled import predict_tiled
from nanonet.records import InputError


def by_the_paper(network, contrast):
    """Pelt and Sethian: a map is ReLU of a bias and a sum over all maps before it, each convolved alone."""
    maps = [contrast[:, :1]]
    for (convolution, relu), dilation in zip(network.layers, network.dilations, strict=True):
        total = convolution.bias[:, None, None]
        for number, before in enumerate(maps):
            around = functional.pad(before, (dilation,) * 4, mode="reflect")
            for i in range(3):
                for j in range(3):
                    rows = slice(i * dilation, i * dilation + before.shape[-2])
                    columns = slice(j * dilation, j * dilation + before.shape[-1])
                    total = total + convolution.weight[0, number, i, j] * around[..., rows, columns]
        maps.append(relu(total))
    weights = network.head.weight[:, :, 0, 0]
    return (
        torch.einsum("kn,nbyx->bkyx", weights, torch.cat(maps, 1).transpose(0, 1))
        + network.head.bias[:, None, None]
    )


def test_it_is_the_network_of_the_paper():
    torch.manual_seed(0)
    network = MixedScaleDense(classes=3, width=1, depth=5, dilations=(1, 2, 3), normalisation="none")
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    contrast = torch.randn(2, 1, 9, 12)
    with torch.no_grad():
        assert torch.allclose(network.logits(contrast), by_the_paper(network, contrast), atol=1e-5)


def test_margins_reflect_in_the_type_that_is_computed_in():
    features = torch.randn(1, 2, 5, 6)
    with torch.autocast("cpu", torch.bfloat16):
        computed = as_computed(features)
        around = reflected(computed, 3)
    assert computed.dtype == around.dtype == torch.bfloat16
    assert computed.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(around, functional.pad(features.bfloat16(), (3,) * 4, mode="reflect"))
    assert as_computed(features).dtype == torch.float32


def test_each_layer_adds_maps_and_reads_all_before():
    network = MixedScaleDense(in_channels=7, width=4, depth=3, stride=2)
    assert [tuple(layer[0].weight.shape[:2]) for layer in network.layers] == [(4, 28), (4, 32), (4, 36)]
    assert network.head.in_channels == 40
    assert network.frames == 7


def test_dilations_come_round_again():
    assert MixedScaleDense(depth=5, dilations=(1, 2)).dilations == (1, 2, 1, 2, 1)


def test_it_sees_as_far_as_its_dilations_reach():
    network = MixedScaleDense(width=2, depth=3, dilations=(1, 2, 4)).eval()
    for layer in network.layers:
        torch.nn.init.constant_(layer[0].weight, 0.1)
    contrast = torch.zeros(1, 1, 41, 41, requires_grad=True)
    network.logits(contrast + 1.0)[0, :, 20, 20].sum().backward()
    rows = contrast.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert (rows.min().item(), rows.max().item()) == (20 - 7, 20 + 7)


def test_the_default_sees_less_than_the_margin_of_a_tile():
    network = MixedScaleDense(stride=2)
    assert network.stride * (sum(network.dilations) + 1) < 128


@pytest.mark.parametrize("stride", [1, 2])
def test_tiles_give_what_the_whole_frame_gives(stride):
    torch.manual_seed(0)
    network = MixedScaleDense(classes=3, width=4, depth=4, dilations=(1, 2, 3), stride=stride).eval()
    counts = torch.poisson(torch.rand(2, 1, 150, 117) * 30)
    with torch.inference_mode():
        whole = network(counts)
        tiled = predict_tiled(network, counts, tile=96, margin=32)
    assert torch.allclose(whole, tiled, atol=1e-4)


def test_the_default_has_a_tenth_of_the_weights_of_the_u_net():
    from nanonet.models.unet import UNet

    ours, theirs = (sum(p.numel() for p in net.parameters()) for net in (MixedScaleDense(), UNet()))
    assert ours < 0.1 * theirs


@pytest.mark.parametrize("name", ["classes", "width", "depth", "in_channels", "stride"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(InputError, match=f"{name} of the mixed-scale network must be at least 1, got 0"):
        MixedScaleDense(**{name: 0})


def test_a_network_without_dilations_is_refused():
    with pytest.raises(InputError, match="dilations of the mixed-scale network must be at least 1"):
        MixedScaleDense(dilations=())
