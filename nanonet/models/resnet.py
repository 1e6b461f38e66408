"""ResNet-18 (He et al., 2016, arXiv 1512.03385) as the encoder of a dense network."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from nanonet.models.unet import Normalisation, initialise, normalisation_layer
from nanonet.records import InputError

WIDTHS = (64, 128, 256, 512)
"""Channels of the four stages, where ``width`` is 64."""


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions and what goes around them.

    Parameters
    ----------
    inputs, outputs
        Channels.
    stride
        Of the first convolution.
    dilation
        Of both.
    normalisation
        Of the layers.
    """

    def __init__(
        self, inputs: int, outputs: int, *, stride: int, dilation: int, normalisation: Normalisation
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False),
            normalisation_layer(outputs, normalisation),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=dilation, dilation=dilation, bias=False),
            normalisation_layer(outputs, normalisation),
        )
        self.around: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.around = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False),
                normalisation_layer(outputs, normalisation),
            )
        self.last = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Return features (b, outputs, y / stride, x / stride)."""
        last: Tensor = self.last(self.body(features) + self.around(features))
        return last


class ResNet18(nn.Module):
    """Planes (b, planes, y, x) to features at a quarter and at 1 / ``output_stride`` of the sides.

    Parameters
    ----------
    planes
        Channels of the input.
    width
        Channels of the first stage; each further one has twice as many.
    output_stride
        8, 16 or 32: instead of a larger stride convolutions are dilated (Chen et al., 2017, arXiv
        1706.05587).
    normalisation
        Of the layers.

    Raises
    ------
    InputError
        If the output stride is another one, or the width below 1.
    """

    def __init__(
        self,
        planes: int = 1,
        width: int = 64,
        output_stride: int = 16,
        normalisation: Normalisation = "batch",
    ) -> None:
        super().__init__()
        if output_stride not in (8, 16, 32):
            raise InputError(f"output_stride must be 8, 16 or 32, got {output_stride}")
        if width < 1:
            raise InputError(f"width of the ResNet must be at least 1, got {width}")
        self.stem = nn.Sequential(
            nn.Conv2d(planes, width, 7, stride=2, padding=3, bias=False),
            normalisation_layer(width, normalisation),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        stages, inputs, reached, dilation = [], width, 4, 1
        for stage in range(4):
            outputs = width * 2**stage
            stride = 2 if stage else 1
            if reached * stride > output_stride:
                dilation, stride = dilation * stride, 1
            reached *= stride
            blocks = [(inputs, stride), (outputs, 1)]
            stages.append(
                nn.Sequential(
                    *(
                        BasicBlock(
                            channels, outputs, stride=step, dilation=dilation, normalisation=normalisation
                        )
                        for channels, step in blocks
                    )
                )
            )
            inputs = outputs
        self.stages = nn.ModuleList(stages)
        self.low, self.high = width, inputs
        self.apply(initialise)

    def forward(
        self, planes: Float[Tensor, "b c y x"]
    ) -> tuple[Float[Tensor, "b low v u"], Float[Tensor, "b high t s"]]:
        """Return the features of the first stage and of the last one."""
        features = low = self.stages[0](self.stem(planes))
        for stage in list(self.stages)[1:]:
            features = stage(features)
        return low, features
