"""U-Net (Ronneberger, Fischer and Brox, 2015, arXiv 1505.04597) with padded convolutions."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn import functional

from nanonet.models.context import GlobalContext
from nanonet.models.normalise import ContrastNormalisation, InputNormalisation
from nanonet.records import InputError

Normalisation = Literal["batch", "group", "instance", "none"]


class UNet(nn.Module):
    """Raw counts (b, in_channels, y, x) of any size to logits (b, classes, y, x).

    Parameters
    ----------
    in_channels
        Frames in a row that are read together, for what is in the middle one.
    classes
        For column depth: background and each depth, max_depth + 1.
    width
        Channels at full resolution; each level below has twice as many.
    depth
        Levels below full resolution; the field of view grows by about 2 for each.
    stride
        Pixels of the image along each axis that are folded into channels (Shi et al., 2016, arXiv
        1609.05158), and unfolded from them in the end: 2 makes the network four times faster, and loses
        nothing where pixels are finer than what is to be told apart.
    normalisation
        Of the layers. "batch" uses averages of training when it is applied, so that the result at a pixel
        does not depend on how large the frame is; "group" and "instance" average over the frame.
    context
        Whether every pixel is told at the lowest level what the whole frame is like (`GlobalContext`).
    normalise
        Raw counts to what the first layer takes (`nanonet.models.normalise`); None for the contrast, which
        suits images whose vacuum is bright.

    Raises
    ------
    InputError
        If a number is below 1.
    """

    def __init__(
        self,
        in_channels: int = 1,
        classes: int = 11,
        width: int = 32,
        depth: int = 3,
        stride: int = 1,
        normalisation: Normalisation = "batch",
        context: bool = False,
        normalise: InputNormalisation | None = None,
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
                raise InputError(f"{name} of the U-Net must be at least 1, got {value}")
        widths = [width * 2**level for level in range(depth + 1)]
        self.classes = classes
        self.frames = in_channels
        self.stride = stride
        self.multiple = stride * 2**depth
        self.normalise = normalise or ContrastNormalisation()
        planes = self.normalise.planes(in_channels)
        down = [
            convolutions(below, above, normalisation)
            for below, above in zip([planes * stride**2, *widths[:-1]], widths, strict=True)
        ]
        if context:
            down[-1].append(GlobalContext(widths[-1]))
        self.down = nn.ModuleList(down)
        self.widen = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in reversed(widths[:-1]))
        self.up = nn.ModuleList(convolutions(2 * c, c, normalisation) for c in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, classes * stride**2, 1)
        self.apply(initialise)

    def forward(self, counts: Num[Tensor, "b c y x"]) -> Float[Tensor, "b class y x"]:
        """Return the logits of raw counts."""
        return self.logits(self.normalise(counts))

    def logits(self, contrast: Float[Tensor, "b c y x"]) -> Float[Tensor, "b class y x"]:
        """Return the logits of a normalised image; its sides are padded to a multiple of 2**depth."""
        height, width = contrast.shape[-2:]
        folded = functional.pixel_unshuffle(pad(contrast, self.multiple), self.stride)
        features = u_shape(folded, self.down, self.widen, self.up)
        logits = functional.pixel_shuffle(self.head(features), self.stride)
        return logits[..., :height, :width]


def u_shape(features: Tensor, down: nn.ModuleList, widen: nn.ModuleList, up: nn.ModuleList) -> Tensor:
    """Return the features at full resolution, after a way down and up again with what was skipped."""
    skipped = []
    for level, block in enumerate(down):
        features = block(features if level == 0 else functional.max_pool2d(features, 2))
        skipped.append(features)
    skipped.pop()
    for wider, block in zip(widen, up, strict=True):
        features = block(torch.cat([skipped.pop(), wider(features)], dim=1))
    return features


def convolutions(inputs: int, outputs: int, normalisation: Normalisation) -> nn.Sequential:
    """Return two 3 × 3 convolutions, each with its normalisation and ReLU."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        bias = normalisation == "none"
        layers.append(nn.Conv2d(channels, outputs, 3, padding=1, bias=bias))
        if not bias:
            layers.append(normalisation_layer(outputs, normalisation))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def normalisation_layer(channels: int, normalisation: Normalisation) -> nn.Module:
    """Return the layer of a name, for a number of channels."""
    if normalisation == "batch":
        return nn.BatchNorm2d(channels)
    if normalisation == "group":
        groups = next(groups for groups in (8, 4, 2, 1) if channels % groups == 0)
        return nn.GroupNorm(groups, channels)
    if normalisation == "instance":
        return nn.GroupNorm(channels, channels)  # takes 1 × 1 features in training, InstanceNorm2d does not
    raise InputError(f"normalisation must be batch, group, instance or none, got '{normalisation}'")


def pad(image: Tensor, multiple: int, *, at_least: int = 1) -> Tensor:
    """Pad y and x at their ends to a multiple, by reflection where the image is large enough for it.

    ``at_least`` is the least length of a side afterwards, itself a multiple.
    """
    height, width = image.shape[-2:]
    below = max(-height % multiple, at_least - height)
    right = max(-width % multiple, at_least - width)
    if not below and not right:
        return image
    mode = "reflect" if below < height and right < width else "replicate"
    return functional.pad(image, (0, right, 0, below), mode=mode)


def initialise(module: nn.Module) -> None:
    """Set weights for ReLU layers as He et al., 2015 (arXiv 1502.01852), and biases to 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
