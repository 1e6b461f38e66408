"""DeepLabv3+ (Chen et al., 2018, arXiv 1802.02611) on a ResNet-18, as ANTEMA uses it for particles."""

from __future__ import annotations

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn import functional

from nanonet.models.normalise import InputNormalisation, StandardNormalisation
from nanonet.models.resnet import ResNet18
from nanonet.models.unet import Normalisation, initialise, normalisation_layer, pad

_RATES = {8: (12, 24, 36), 16: (6, 12, 18), 32: (3, 6, 9)}
"""Dilations of the pyramid's 3 × 3 convolutions for each output stride."""


class DeepLabV3Plus(nn.Module):
    """Raw intensities (b, 1, y, x) of any size to maps (b, classes, y, x).

    Parameters
    ----------
    classes
        Maps that it gives.
    width
        Channels of the encoder's first stage, 64 in the paper (12.3 M weights with 256 pyramid channels).
    pyramid
        Channels of the pyramid and of the decoder.
    skipped
        Channels that the decoder takes of the encoder's first stage.
    output_stride
        Of the encoder: 16, or 8 for finer and slower.
    normalisation
        Of the layers.
    normalise
        Raw intensities to what the first layer takes; None for mean 0 and variance 1 an image.

    Raises
    ------
    InputError
        If a number is below 1, or the output stride not 8, 16 or 32.
    """

    frames = 1

    def __init__(
        self,
        classes: int = 2,
        width: int = 64,
        pyramid: int = 256,
        skipped: int = 48,
        output_stride: int = 16,
        normalisation: Normalisation = "batch",
        normalise: InputNormalisation | None = None,
    ) -> None:
        super().__init__()
        self.normalise = normalise or StandardNormalisation()
        self.encoder = ResNet18(self.normalise.planes(1), width, output_stride, normalisation)
        self.multiple = output_stride
        rates = _RATES[output_stride]
        high = self.encoder.high
        self.pyramid = nn.ModuleList(
            [_layer(high, pyramid, 1, 1, normalisation)]
            + [_layer(high, pyramid, 3, rate, normalisation) for rate in rates]
        )
        # No normalisation: there is one value an image and channel.
        self.overall = nn.Sequential(nn.Conv2d(high, pyramid, 1), nn.ReLU(inplace=True))
        self.project = _layer(pyramid * (len(rates) + 2), pyramid, 1, 1, normalisation)
        self.skip = _layer(self.encoder.low, skipped, 1, 1, normalisation)
        self.decode = nn.Sequential(
            _layer(pyramid + skipped, pyramid, 3, 1, normalisation),
            _layer(pyramid, pyramid, 3, 1, normalisation),
        )
        self.head = nn.Conv2d(pyramid, classes, 1)
        self.classes = classes
        self.apply(initialise)

    def forward(self, counts: Num[Tensor, "b 1 y x"]) -> Float[Tensor, "b classes y x"]:
        """Return the maps of raw intensities."""
        return self.logits(self.normalise(counts))

    def logits(self, contrast: Float[Tensor, "b c y x"]) -> Float[Tensor, "b classes y x"]:
        """Return the maps of normalised images; their sides are padded to a multiple of the output stride."""
        height, width = contrast.shape[-2:]
        planes = pad(contrast, self.multiple)
        low, high = self.encoder(planes)
        overall = self.overall(high.mean(dim=(-2, -1), keepdim=True)).expand(-1, -1, *high.shape[-2:])
        features = self.project(torch.cat([*(part(high) for part in self.pyramid), overall], dim=1))
        features = functional.interpolate(features, size=low.shape[-2:], mode="bilinear", align_corners=False)
        maps = self.head(self.decode(torch.cat([features, self.skip(low)], dim=1)))
        maps = functional.interpolate(maps, size=planes.shape[-2:], mode="bilinear", align_corners=False)
        return maps[..., :height, :width]


def _layer(
    inputs: int, outputs: int, size: int, dilation: int, normalisation: Normalisation
) -> nn.Sequential:
    """Return a convolution with its normalisation; a larger one goes channel by channel first."""
    padding = dilation * (size // 2)
    each = nn.Conv2d(inputs, inputs, size, padding=padding, dilation=dilation, groups=inputs, bias=False)
    return nn.Sequential(
        *([each] if size > 1 else []),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        normalisation_layer(outputs, normalisation),
        nn.ReLU(inplace=True),
    )
