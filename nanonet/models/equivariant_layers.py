"""Layers that commute with quarter turns and mirrors of the image.

Group convolutions of Cohen and Welling, 2016 (arXiv 1602.07576), for the group p4m.

A field is 8 channels next to each other, one for each symmetry of a square: turning or mirroring the image
turns or mirrors each map, and permutes the 8 of a field. The layers are ordinary convolutions whose kernels
are made of one kernel's 8 images, so that they have an eighth of the weights and take the same time.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from nanonet.models.symmetry import ORDER, relative_symmetries, symmetry


class Lift(nn.Module):
    """Image (b, c · stride², y, x), its pixels folded into channels, to fields (b, 8 · fields, y, x).

    Parameters
    ----------
    channels
        c, of the image before it was folded.
    fields
        That are made.
    stride
        Of the folding; the kernel spans 3 × 3 folded pixels.
    """

    def __init__(self, channels: int, fields: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(fields, channels, 3 * stride, 3 * stride))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, folded: Float[Tensor, "b c y x"]) -> Float[Tensor, "b d y x"]:
        """Return the fields."""
        images = torch.stack([symmetry(self.weight, g) for g in range(ORDER)], dim=1)
        kernel = functional.pixel_unshuffle(images.flatten(0, 1), self.stride)
        return functional.conv2d(folded, kernel, padding=1)


class FieldConvolution(nn.Module):
    """Fields to fields, by 3 × 3 convolution."""

    arrangement: Tensor

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(after, before * ORDER, 3, 3))
        self.register_buffer("arrangement", arrangement(3), persistent=False)
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, fields: Float[Tensor, "b c y x"]) -> Float[Tensor, "b d y x"]:
        """Return the fields."""
        return functional.conv2d(fields, field_kernel(self.weight, self.arrangement), padding=1)


class FieldWidening(nn.Module):
    """Fields to fields twice as fine, by transposed 2 × 2 convolution."""

    arrangement: Tensor

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(after, before * ORDER, 2, 2))
        self.register_buffer("arrangement", arrangement(2), persistent=False)
        self.bias = nn.Parameter(torch.zeros(after))
        nn.init.normal_(self.weight, std=(2 / (before * ORDER)) ** 0.5)

    def forward(self, fields: Float[Tensor, "b c y x"]) -> Float[Tensor, "b d v u"]:
        """Return the fields."""
        kernel = field_kernel(self.weight, self.arrangement).transpose(0, 1)
        return functional.conv_transpose2d(fields, kernel, self.bias.repeat_interleave(ORDER), stride=2)


class Project(nn.Module):
    """Fields (b, 8 · fields, y, x) to numbers that turn with the image, (b, classes · stride², y, x).

    Unfolded by `torch.nn.functional.pixel_shuffle` they are an image (b, classes, stride · y, stride · x).
    """

    def __init__(self, fields: int, classes: int, stride: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, fields, stride, stride))
        self.bias = nn.Parameter(torch.zeros(classes))
        nn.init.normal_(self.weight, std=(2 / (fields * ORDER)) ** 0.5)

    def forward(self, fields: Float[Tensor, "b c y x"]) -> Float[Tensor, "b d y x"]:
        """Return the numbers."""
        images = torch.stack([symmetry(self.weight, g) for g in range(ORDER)], dim=2)
        kernel = images.permute(0, 3, 4, 1, 2).flatten(3).flatten(0, 2)[..., None, None]
        repeats = self.weight.shape[-1] ** 2
        return functional.conv2d(fields, kernel, self.bias.repeat_interleave(repeats))


class FieldNormalisation(nn.Module):
    """Batch normalisation with one mean, variance, scale and shift for the 8 channels of a field.

    In training each channel is normalised by its own batch, as usual (they differ by chance only); what is
    kept of it, and used when the network is applied, is the mean over the field.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, fields: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(fields))
        self.bias = nn.Parameter(torch.zeros(fields))
        self.register_buffer("running_mean", torch.zeros(fields))
        self.register_buffer("running_var", torch.ones(fields))

    def forward(self, fields: Float[Tensor, "b c y x"]) -> Float[Tensor, "b c y x"]:
        """Return the normalised fields."""
        mean, variance, weight, bias = (
            value.repeat_interleave(ORDER)
            for value in (self.running_mean, self.running_var, self.weight, self.bias)
        )
        found = functional.batch_norm(
            fields, mean, variance, weight, bias, training=self.training, momentum=self.momentum
        )
        if self.training:
            self.running_mean.copy_(mean.reshape(-1, ORDER).mean(1))
            self.running_var.copy_(variance.reshape(-1, ORDER).mean(1))
        return found


def field_kernel(
    weight: Float[Tensor, "o n h w"], arrangement: Float[Tensor, "from to"]
) -> Float[Tensor, "p n h w"]:
    """Return the kernel (8 · after, 8 · before, h, w) that a weight (after, 8 · before, h, w) stands for.

    What a field's channel g gets from channel h of another is the weight's number g⁻¹h, mirrored and turned
    by g (Cohen and Welling, section 6).

    Parameters
    ----------
    weight
        Of the layer.
    arrangement
        As the function of that name returns it for the side of the kernel.
    """
    after, before, side = len(weight), weight.shape[1] // ORDER, weight.shape[-1]
    # A product with ones and zeros: the same as 8 turned copies put in order, in a tenth of their time.
    ordered = weight.reshape(after, before, -1) @ arrangement
    by_channel = ordered.reshape(after, before, ORDER, ORDER, side, side).transpose(1, 2)
    return by_channel.reshape(after * ORDER, before * ORDER, side, side)


def arrangement(side: int) -> Float[Tensor, "from to"]:
    """Return the matrix of ones and zeros that takes a weight (h, y, x) to its kernel (g, h, y, x)."""
    places = torch.arange(ORDER * side**2).reshape(ORDER, side, side)
    images = torch.stack([symmetry(places[row], g) for g, row in enumerate(relative_symmetries())])
    return functional.one_hot(images.flatten()).float().t()
