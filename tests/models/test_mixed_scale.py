"""What is particular to the mixed-scale dense network; tests/contracts/test_models.py has what all share."""

import pytest
import torch
from torch.nn import functional

from nanonet.models.dense_convolutions import dense_convolutions, fold_, inside, reflect_
from nanonet.models.mixed_scale import MixedScaleDense
from nanonet.models.tiled import predict_tiled
from nanonet.records import InputError

DILATIONS = (1, 3, 2)


def layers(width=2, channels=3, dtype=torch.double):
    torch.manual_seed(0)
    weights = [
        torch.randn(width, channels + width * i, 3, 3, dtype=dtype, requires_grad=True)
        for i in range(len(DILATIONS))
    ]
    biases = [torch.randn(width, dtype=dtype, requires_grad=True) for _ in DILATIONS]
    features = torch.randn(2, channels, 7, 9, dtype=dtype, requires_grad=True)
    return features, weights, biases


def joined(features, weights, biases):
    """The same by joining all maps anew for each layer, as the paper has it."""
    for weight, bias, dilation in zip(weights, biases, DILATIONS, strict=True):
        padded = functional.pad(features, (dilation,) * 4, mode="reflect")
        maps = functional.conv2d(padded, weight, bias, dilation=dilation).relu()
        features = torch.cat([features, maps], dim=1)
    return features


def test_one_canvas_gives_what_joining_gives():
    features, weights, biases = layers()
    found = dense_convolutions(features, weights, biases, DILATIONS)
    assert torch.allclose(found, joined(features, weights, biases), atol=1e-10)


def test_its_gradients_are_those_of_joining():
    features, weights, biases = layers()
    inputs = [features, *weights, *biases]
    found = dense_convolutions(features, weights, biases, DILATIONS)
    towards = torch.randn_like(found)
    ours = torch.autograd.grad(found, inputs, towards)
    theirs = torch.autograd.grad(joined(features, weights, biases), inputs, towards)
    for our, their in zip(ours, theirs, strict=True):
        assert torch.allclose(our, their, atol=1e-9)


def test_its_gradients_are_those_of_finite_differences():
    features, weights, biases = layers(width=1, channels=1)
    small = features[:1, :, :5, :4].detach().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, *parameters: dense_convolutions(x, parameters[:3], parameters[3:], DILATIONS),
        (small, *weights, *biases),
    )


def test_folding_is_the_adjoint_of_reflecting():
    torch.manual_seed(0)
    margin, image = 3, torch.randn(1, 2, 5, 6, dtype=torch.double)
    canvas = torch.zeros(1, 2, 5 + 2 * margin, 6 + 2 * margin, dtype=torch.double)
    inside(canvas, margin).copy_(image)
    reflect_(canvas, margin)
    assert torch.equal(canvas, functional.pad(image, (margin,) * 4, mode="reflect"))
    other = torch.randn_like(canvas)
    folded = other.clone()
    fold_(folded, margin)
    assert (canvas * other).sum() == pytest.approx((image * inside(folded, margin)).sum().item())


def test_gradients_in_bfloat16_are_close():
    """As training computes them: autocast for the way there, bfloat16 all the way back."""
    features, weights, biases = layers(width=8, dtype=torch.float32)
    inputs = [*weights, *biases]
    exact = torch.autograd.grad(
        dense_convolutions(features, weights, biases, DILATIONS).square().mean(), inputs
    )
    with torch.autocast("cpu", torch.bfloat16):
        maps = dense_convolutions(features, weights, biases, DILATIONS)
    assert maps.dtype == torch.bfloat16
    rough = torch.autograd.grad(maps.float().square().mean(), inputs)
    for ours, theirs in zip(rough, exact, strict=True):
        assert (ours - theirs).norm() < 0.03 * theirs.norm()


def test_each_layer_adds_maps_and_reads_all_before():
    network = MixedScaleDense(in_channels=7, width=4, depth=3, stride=2)
    assert [tuple(weight.shape[:2]) for weight in network.weights] == [(4, 28), (4, 32), (4, 36)]
    assert network.head.in_channels == 40
    assert network.frames == 7


def test_dilations_come_round_again():
    assert MixedScaleDense(depth=5, dilations=(1, 2)).dilations == (1, 2, 1, 2, 1)


def test_it_sees_as_far_as_its_dilations_reach():
    network = MixedScaleDense(width=2, depth=3, dilations=(1, 2, 4)).eval()
    for weight in network.weights:
        torch.nn.init.constant_(weight, 0.1)
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
