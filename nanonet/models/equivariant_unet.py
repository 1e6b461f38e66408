"""A U-Net for which all eight ways up of an image are one: equivariant under the symmetries of a square."""

from __future__ import annotations

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn import functional

from nanonet.models.equivariant_layers import (
    FieldConvolution,
    FieldNormalisation,
    FieldWidening,
    Lift,
    Project,
)
from nanonet.models.normalise import ContrastNormalisation
from nanonet.models.symmetry import ORDER
from nanonet.models.unet import pad, u_shape
from nanonet.records import InputError


class EquivariantUNet(nn.Module):
    """Raw counts (b, in_channels, y, x) of any size to logits (b, classes, y, x).

    As `nanonet.models.unet.UNet`, with the p4m convolutions of Cohen and Welling, 2016 (arXiv 1602.07576):
    turning an image by quarters or mirroring it does just that to the logits, where its sides are multiples
    of ``multiple`` (others are padded at one end). It need not learn what a particle looks like in other
    orientations, and has an eighth of the weights.

    Parameters
    ----------
    in_channels
        Frames in a row that are read together, for what is in the middle one.
    classes
        For column depth: background and each depth, max_depth + 1.
    width
        Channels at full resolution, a multiple of 8; each level below has twice as many.
    depth
        Levels below full resolution.
    stride
        Pixels of the image along each axis that are folded into channels, and unfolded from them in the end.

    Raises
    ------
    InputError
        If a number is below 1, or the width no multiple of 8.
    """

    def __init__(
        self, in_channels: int = 1, classes: int = 11, width: int = 32, depth: int = 3, stride: int = 1
    ) -> None:
        super().__init__()
        numbers = {
            "in_channels": in_channels,
            "classes": classes,
            "width": width,
            "depth": depth,
            "stride": stride,
        }
        for name, value in numbers.items():
            if value < 1:
                raise InputError(f"{name} of the equivariant U-Net must be at least 1, got {value}")
        if width % ORDER:
            raise InputError(f"the width of the equivariant U-Net must be a multiple of {ORDER}, got {width}")
        fields = [width // ORDER * 2**level for level in range(depth + 1)]
        self.classes = classes
        self.frames = in_channels
        self.stride = stride
        self.multiple = stride * 2**depth
        self.normalise = ContrastNormalisation()
        self.down = nn.ModuleList(
            [
                _convolutions(Lift(in_channels, fields[0], stride), fields[0]),
                *(_convolutions(FieldConvolution(c, 2 * c), 2 * c) for c in fields[:-1]),
            ]
        )
        self.widen = nn.ModuleList(FieldWidening(2 * c, c) for c in reversed(fields[:-1]))
        self.up = nn.ModuleList(_convolutions(FieldConvolution(2 * c, c), c) for c in reversed(fields[:-1]))
        self.head = Project(fields[0], classes, stride)

    def forward(self, counts: Num[Tensor, "b c y x"]) -> Float[Tensor, "b class y x"]:
        """Return the logits of raw counts."""
        return self.logits(self.normalise(counts))

    def logits(self, contrast: Float[Tensor, "b c y x"]) -> Float[Tensor, "b class y x"]:
        """Return the logits of a normalised image; its sides are padded to a multiple of ``multiple``."""
        height, width = contrast.shape[-2:]
        folded = functional.pixel_unshuffle(pad(contrast, self.multiple), self.stride)
        folded = folded.contiguous(memory_format=torch.channels_last)  # what kernels made anew do not ask for
        features = u_shape(folded, self.down, self.widen, self.up)
        logits = functional.pixel_shuffle(self.head(features), self.stride)
        return logits[..., :height, :width]


def _convolutions(first: nn.Module, fields: int) -> nn.Sequential:
    """Return a layer and a second convolution behind it, each with its normalisation and ReLU."""
    return nn.Sequential(
        first,
        FieldNormalisation(fields),
        nn.ReLU(inplace=True),
        FieldConvolution(fields, fields),
        FieldNormalisation(fields),
        nn.ReLU(inplace=True),
    )
