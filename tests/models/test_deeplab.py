import pytest
import torch

from nanonet.models.deeplabv3plus import DeepLabV3Plus
from nanonet.models.resnet import ResNet18
from nanonet.records import InputError


def weights(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_it_is_as_large_as_published():
    """ResNet-18 has 11.18 million weights without its last layer; ANTEMA's DeepLabv3+ on it 12.3 million."""
    assert weights(ResNet18(planes=3)) == 11_176_512
    assert weights(DeepLabV3Plus()) == pytest.approx(12.33e6, rel=0.002)


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_features_have_the_stride_that_is_asked_for(stride):
    low, high = ResNet18(width=4, output_stride=stride)(torch.zeros(1, 1, 64, 96))
    assert low.shape == (1, 4, 16, 24)
    assert high.shape == (1, 32, 64 // stride, 96 // stride)


def test_dilation_keeps_the_field_of_view():
    """What a pixel far away does reaches the same features, whichever stride the encoder has."""
    reach = []
    for stride in (8, 16, 32):
        torch.manual_seed(0)
        network = ResNet18(width=2, output_stride=stride).eval()
        image = torch.rand(1, 1, 512, 512).requires_grad_()
        _, high = network(image)
        middle = high.shape[-1] // 2
        high[0, :, middle, middle].sum().backward()
        rows = (image.grad[0, 0].abs().sum(dim=1) > 0).nonzero()
        reach.append(int(rows.max() - rows.min()))
    assert min(reach) > 200
    assert max(reach) < 1.5 * min(reach)


def test_every_pixel_hears_of_the_whole_image():
    torch.manual_seed(0)
    network = DeepLabV3Plus(width=4, pyramid=8, skipped=4).eval()
    image = torch.rand(1, 1, 768, 64)
    other = image.clone()
    other[..., :32, :] = 1 - other[..., :32, :]
    with torch.inference_mode():
        changed = (network.logits(image) - network.logits(other)).abs()
    assert changed[..., -1, :].max() > 0


def test_other_strides_are_refused():
    with pytest.raises(InputError, match="output_stride"):
        DeepLabV3Plus(output_stride=4)
