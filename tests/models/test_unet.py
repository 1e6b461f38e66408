import pytest
import torch

from nanonet.models.normalise import ContrastNormalisation
from nanonet.models.tiled import predict_tiled
from nanonet.models.unet import UNet, pad
from nanonet.records import InputError


@pytest.fixture
def network():
    """A U-Net whose averages of training are not the neutral ones that it starts with."""
    torch.manual_seed(0)
    network = UNet(classes=3, width=4, depth=2)
    with torch.no_grad():
        for _ in range(3):
            network(torch.poisson(torch.full((4, 1, 32, 32), 20.0)))
    return network.eval()


def test_contrast_is_relative_to_the_mean_of_each_image():
    counts = torch.rand(3, 1, 8, 9) * torch.tensor([1.0, 10.0, 1000.0])[:, None, None, None]
    contrast = ContrastNormalisation()(counts)
    assert contrast.mean((1, 2, 3)) == pytest.approx([0, 0, 0], abs=1e-6)
    assert torch.allclose(contrast[0], counts[0] / counts[0].mean() - 1)


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_an_image_without_a_positive_mean_has_no_contrast(value):
    assert ContrastNormalisation()(torch.full((1, 1, 4, 4), value)).eq(0).all()


def test_a_pixel_that_is_not_finite_says_nothing():
    counts = torch.rand(1, 1, 8, 8) + 1
    broken = counts.clone()
    broken[0, 0, 2, 3], broken[0, 0, 4, 4] = torch.nan, torch.inf
    contrast = ContrastNormalisation()(broken)
    assert contrast.isfinite().all()
    assert contrast[0, 0, 2, 3] == contrast[0, 0, 4, 4] == 0
    good = broken.isfinite()
    assert torch.allclose(contrast[good], counts[good] / counts[good].mean() - 1, atol=1e-6)
    assert ContrastNormalisation()(torch.full((1, 1, 4, 4), torch.nan)).eq(0).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 17), (16, 16)])
def test_padding_reflects_where_it_can(size):
    image = torch.rand(1, 1, *size)
    padded = pad(image, 8)
    assert padded.shape[-2] % 8 == padded.shape[-1] % 8 == 0
    assert torch.equal(padded[..., : size[0], : size[1]], image)


def test_reflection_does_not_repeat_the_edge():
    padded = pad(torch.arange(7.0).expand(1, 1, 8, 7), 8)
    assert padded[0, 0, 0, -1] == 5


def test_widths_double_with_each_level():
    network = UNet(width=8, depth=3)
    assert [block[0].out_channels for block in network.down] == [8, 16, 32, 64]
    assert [block[0].in_channels for block in network.up] == [64, 32, 16]


def test_the_default_network_is_small():
    weights = sum(parameter.numel() for parameter in UNet().parameters())
    assert 4 * weights < 8e6


@pytest.mark.parametrize("name", ["classes", "width", "depth", "in_channels"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(InputError, match=f"{name} of the U-Net must be at least 1, got 0"):
        UNet(**{name: 0})


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(InputError, match="batch, group, instance or none, got 'layer'"):
        UNet(normalisation="layer")


def test_tiles_give_what_the_whole_frame_gives(network):
    counts = torch.poisson(torch.rand(2, 1, 150, 117) * 30)
    with torch.inference_mode():
        whole = network(counts)
        tiled = predict_tiled(network, counts, tile=96, margin=32)
    assert torch.allclose(whole, tiled, atol=1e-4)


def test_tiles_share_the_mean_of_the_frame(network):
    """A frame that is half dark: tiles that were normalised by themselves would come out otherwise."""
    counts = torch.ones(1, 1, 64, 192)
    counts[..., 96:] = 9.0
    with torch.inference_mode():
        whole, tiled = network(counts), predict_tiled(network, counts, tile=80, margin=24)
        alone = network(counts[..., :32])
    assert torch.allclose(whole, tiled, atol=1e-4)
    assert not torch.allclose(whole[..., :32], alone, atol=1e-2)


def test_what_is_seen_does_not_depend_on_the_size_of_the_frame(network):
    """The same scene with more of the same around it reads the same, with averages of training."""
    counts = torch.full((1, 1, 96, 96), 10.0)
    counts[..., ::4, ::4] = 20.0
    larger = counts.repeat(1, 1, 2, 2)
    with torch.inference_mode():
        small, large = network(counts), network(larger)
    assert torch.allclose(small[..., 32:64, 32:64], large[..., 32:64, 32:64], atol=1e-4)


def test_a_margin_must_leave_something_of_a_tile(network):
    with pytest.raises(InputError, match="a tile of 64 pixels needs a margin of less than half"):
        predict_tiled(network, torch.ones(1, 1, 8, 8), tile=64, margin=32)
