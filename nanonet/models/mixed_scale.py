"""Mixed-scale dense network (Pelt and Sethian, 2018, PNAS 115, 254, doi 10.1073/pnas.1715832114)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn import functional

from nanonet.models.normalise import ContrastNormalisation
from nanonet.models.unet import Normalisation, initialise, normalisation_layer, pad
from nanonet.records import InputError


class MixedScaleDense(nn.Module):
    """Raw counts (b, in_channels, y, x) of any size to logits (b, classes, y, x).

    All layers are as fine as the image and see it at scales that differ by their dilation; each reads the
    maps of all layers before it, reflected at the borders, and the logits are combinations of all maps. It
    has a tenth of the weights of a U-Net.

    Parameters
    ----------
    in_channels
        Frames in a row that are read together, for what is in the middle one.
    classes
        For column depth: background and each depth, max_depth + 1.
    width
        Maps that a layer adds. Pelt and Sethian take 1; a processor computes 16 in hardly more time.
    depth
        Layers.
    dilations
        Of the layers, over and over [pixel of the maps]; Pelt and Sethian take 1 to 10.
    stride
        Pixels of the image along each axis that are folded into channels, and unfolded from them in the end,
        as in `nanonet.models.unet.UNet`.
    normalisation
        Of the layers, as in `nanonet.models.unet.UNet`; Pelt and Sethian have "none", which learns slower.

    Raises
    ------
    InputError
        If a number is below 1, or there are no dilations.
    """

    def __init__(
        self,
        in_channels: int = 1,
        classes: int = 11,
        width: int = 16,
        depth: int = 12,
        dilations: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8),
        stride: int = 1,
        normalisation: Normalisation = "batch",
    ) -> None:
        super().__init__()
        numbers = {
            "in_channels": in_channels,
            "classes": classes,
            "width": width,
            "depth": depth,
            "stride": stride,
            "dilations": min(dilations, default=0),
        }
        for name, value in numbers.items():
            if value < 1:
                raise InputError(f"{name} of the mixed-scale network must be at least 1, got {value}")
        self.classes = classes
        self.frames = in_channels
        self.stride = stride
        self.dilations = tuple(dilations[layer % len(dilations)] for layer in range(depth))
        first = in_channels * stride**2
        self.normalise = ContrastNormalisation()
        self.layers = nn.ModuleList(
            _layer(first + width * number, width, dilation, normalisation)
            for number, dilation in enumerate(self.dilations)
        )
        self.head = nn.Conv2d(first + width * depth, classes * stride**2, 1)
        self.apply(initialise)

    def forward(self, counts: Num[Tensor, "b c y x"]) -> Float[Tensor, "b class y x"]:
        """Return the logits of raw counts."""
        return self.logits(self.normalise(counts))

    def logits(self, contrast: Float[Tensor, "b c y x"]) -> Float[Tensor, "b class y x"]:
        """Return the logits of a normalised image; its sides are padded to a multiple of the stride."""
        height, width = contrast.shape[-2:]
        padded = pad(contrast, self.stride, at_least=self.stride * (max(self.dilations) + 1))
        # Joined maps are copied once a layer: in the type that layers compute in, not in a wider one.
        maps = as_computed(functional.pixel_unshuffle(padded, self.stride))
        for layer, dilation in zip(self.layers, self.dilations, strict=True):
            maps = torch.cat([maps, layer(reflected(maps, dilation))], dim=1)
        logits = functional.pixel_shuffle(self.head(maps), self.stride)
        return logits[..., :height, :width]


def _layer(before: int, width: int, dilation: int, normalisation: Normalisation) -> nn.Sequential:
    plain = normalisation == "none"
    return nn.Sequential(
        nn.Conv2d(before, width, 3, dilation=dilation, bias=plain),
        *([] if plain else [normalisation_layer(width, normalisation)]),
        nn.ReLU(inplace=True),
    )


def as_computed(features: Float[Tensor, "b c y x"]) -> Float[Tensor, "b c y x"]:
    """Return features in the type that convolutions compute in here, channels last."""
    device = features.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype
    return features.to(dtype=dtype, memory_format=torch.channels_last)


def reflected(features: Float[Tensor, "b c y x"], margin: int) -> Float[Tensor, "b c v u"]:
    """Return features with margins all around that reflect them, in their own type even under autocast."""
    with torch.autocast(features.device.type, enabled=False):
        return functional.pad(features, (margin,) * 4, mode="reflect")
