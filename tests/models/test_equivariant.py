"""Turning and mirroring the image does just that to the answer; a group of symmetries is a group."""

import pytest
import torch
from torch.nn import functional

from nanonet.models.equivariant_layers import (
    FieldConvolution,
    FieldNormalisation,
    FieldWidening,
    Lift,
    Project,
    arrangement,
    field_kernel,
)
from nanonet.models.equivariant_unet import EquivariantUNet
from nanonet.models.symmetry import ORDER, inverse, relative_symmetries, symmetry
from nanonet.models.symmetry_average import SymmetryAverage
from nanonet.models.unet import UNet
from nanonet.records import InputError

ALL = range(ORDER)


def trained(network):
    """After a few images, so that averages of training are not the neutral ones."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for _ in range(3):
            network.train()(
                torch.poisson(torch.rand(4, 1, 32, 32, generator=generator) * 30, generator=generator)
            )
    return network.eval()


def fields(count=2, side=8):
    return torch.randn(2, count * ORDER, side, side, generator=torch.Generator().manual_seed(0))


def act(maps, g):
    """What a symmetry of the image does to fields: it moves the maps, and permutes the 8 of each field."""
    parts = maps.reshape(len(maps), -1, ORDER, *maps.shape[-2:])
    h = relative_symmetries()[g]
    return symmetry(parts[:, :, h], g).reshape(maps.shape)


def test_the_symmetries_are_a_group_of_eight():
    image = torch.arange(12.0).reshape(3, 4)
    assert len({tuple(symmetry(image[:, :3], g).flatten().tolist()) for g in ALL}) == ORDER
    for g in ALL:
        assert torch.equal(symmetry(symmetry(image, g), inverse(g)), image)


def test_relative_symmetries_lead_from_one_to_the_other():
    image = torch.arange(9.0).reshape(3, 3)
    for g, row in enumerate(relative_symmetries()):
        for h, between in enumerate(row):
            assert torch.equal(symmetry(symmetry(image, between), g), symmetry(image, h))


def test_a_kernel_is_eight_copies_in_order():
    """By the definition: channel g of a field gets from channel h the kernel g⁻¹h, moved by g."""
    weight = torch.randn(2, 3 * ORDER, 3, 3)
    kernel = field_kernel(weight, arrangement(3)).reshape(2, ORDER, 3, ORDER, 3, 3)
    parts = weight.reshape(2, 3, ORDER, 3, 3)
    for g, row in enumerate(relative_symmetries()):
        for h, between in enumerate(row):
            assert torch.equal(kernel[:, g, :, h], symmetry(parts[:, :, between], g))


@pytest.mark.parametrize("g", ALL)
def test_every_layer_commutes_with_every_symmetry(g):
    torch.manual_seed(0)
    maps = fields()
    for layer in (FieldConvolution(2, 3), FieldWidening(2, 1), FieldNormalisation(2).eval()):
        assert torch.allclose(layer(act(maps, g)), act(layer(maps), g), atol=1e-5), layer
    project = Project(2, 5, stride=2)
    answer = functional.pixel_shuffle(project(maps), 2)
    assert torch.allclose(functional.pixel_shuffle(project(act(maps, g)), 2), symmetry(answer, g), atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("g", ALL)
def test_lifting_commutes_with_every_symmetry(stride, g):
    torch.manual_seed(0)
    lift, image = Lift(3, 2, stride), torch.randn(1, 3, 16, 16)
    folded = functional.pixel_unshuffle(image, stride)
    turned = functional.pixel_unshuffle(symmetry(image, g), stride)
    assert torch.allclose(lift(turned), act(lift(folded), g), atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_network_commutes_with_every_symmetry(stride):
    torch.manual_seed(0)
    network = trained(EquivariantUNet(classes=4, width=8, depth=2, stride=stride))
    counts = torch.poisson(torch.rand(1, 1, 48, 48) * 30)
    with torch.inference_mode():
        answer = network(counts)
        for g in ALL:
            assert torch.allclose(network(symmetry(counts, g)), symmetry(answer, g), atol=1e-4)
    assert not torch.allclose(answer, symmetry(answer, 1), atol=1e-2)


def test_it_can_tell_what_lies_left_from_what_lies_right():
    """Equivariant, not invariant: a ramp of intensity may be answered by another ramp."""
    torch.manual_seed(0)
    network = trained(EquivariantUNet(classes=2, width=8, depth=1))
    ramp = torch.linspace(1, 3, 32).expand(1, 1, 32, 32)
    with torch.inference_mode():
        answer = network(ramp)
    assert not torch.allclose(answer, answer.flip(-1), atol=1e-3)


def test_it_has_an_eighth_of_the_weights():
    ours, theirs = (
        sum(p.numel() for p in net.parameters()) for net in (EquivariantUNet(stride=2), UNet(stride=2))
    )
    assert ours == pytest.approx(theirs / ORDER, rel=0.02)


def test_a_field_keeps_one_mean_and_variance():
    normalise = FieldNormalisation(2, momentum=1.0)
    maps = fields() * 3 + 5
    normalise.train()(maps)
    each = maps.reshape(2, 2, ORDER, -1)
    assert torch.allclose(normalise.running_mean, each.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(normalise.running_var, each.var((0, 3)).mean(1), rtol=1e-5)


@pytest.mark.parametrize(
    ("words", "message"), [({"width": 12}, "multiple of 8, got 12"), ({"depth": 0}, "depth of")]
)
def test_numbers_that_make_no_network_are_refused(words, message):
    with pytest.raises(InputError, match=message):
        EquivariantUNet(**words)


@pytest.fixture
def plain():
    torch.manual_seed(0)
    return trained(UNet(classes=3, width=4, depth=2))


def test_an_average_over_symmetries_commutes_with_them(plain):
    average, counts = SymmetryAverage(plain), torch.poisson(torch.rand(1, 1, 24, 24) * 30)
    with torch.inference_mode():
        answer = average(counts)
        for g in ALL:
            assert torch.allclose(average(symmetry(counts, g)), symmetry(answer, g), atol=1e-4)
        assert not torch.allclose(plain(counts.flip(-1)), plain(counts).flip(-1), atol=1e-3)


def test_an_average_is_of_the_chances(plain):
    average, counts = SymmetryAverage(plain), torch.poisson(torch.rand(2, 1, 12, 20) * 30)
    with torch.inference_mode():
        chances = average(counts).exp()
        asked = [symmetry(plain(symmetry(counts, g)).softmax(1), inverse(g)) for g in ALL]
    assert torch.allclose(chances, torch.stack(asked).mean(0), atol=1e-5)
    assert torch.allclose(chances.sum(1), torch.ones(2, 12, 20), atol=1e-5)


def test_an_average_changes_nothing_where_there_is_symmetry():
    torch.manual_seed(0)
    network = trained(EquivariantUNet(classes=3, width=8, depth=1))
    counts = torch.poisson(torch.rand(1, 1, 24, 24) * 30)
    with torch.inference_mode():
        once, eight = network(counts).softmax(1), SymmetryAverage(network)(counts).softmax(1)
    assert torch.allclose(once, eight, atol=1e-5)
