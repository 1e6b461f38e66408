"""Mixed-scale dense network (Pelt and Sethian, 2018, PNAS 115, 254, doi 10.1073/pnas.1715832114)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn import functional

from nanonet.models.dense_convolutions import dense_convolutions
from nanonet.models.normalise import ContrastNormalisation
from nanonet.models.unet import initialise, pad
from nanonet.records import InputError


class MixedScaleDense(nn.Module):
    """Raw counts (b, in_channels, y, x) of any size to logits (b, classes, y, x).

    All layers are as fine as the image and see it at scales that differ by their dilation; each reads all
    maps before it, and the logits are combinations of all maps. It has a tenth of the weights of a U-Net.

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
        dilations: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8),
        stride: int = 1,
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
        before = [first + width * layer for layer in range(depth)]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(width, channels, 3, 3)) for channels in before
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(width)) for _ in before)
        for weight in self.weights:
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
        self.head = nn.Conv2d(first + width * depth, classes * stride**2, 1)
        initialise(self.head)

    def forward(self, counts: Num[Tensor, "b c y x"]) -> Float[Tensor, "b class y x"]:
        """Return the logits of raw counts."""
        return self.logits(self.normalise(counts))

    def logits(self, contrast: Float[Tensor, "b c y x"]) -> Float[Tensor, "b class y x"]:
        """Return the logits of a normalised image; its sides are padded to a multiple of the stride."""
        height, width = contrast.shape[-2:]
        padded = pad(contrast, self.stride, at_least=self.stride * (max(self.dilations) + 1))
        maps = dense_convolutions(
            functional.pixel_unshuffle(padded, self.stride),
            list(self.weights),
            list(self.biases),
            self.dilations,
        )
        logits = functional.pixel_shuffle(self.head(maps), self.stride)
        return logits[..., :height, :width]
