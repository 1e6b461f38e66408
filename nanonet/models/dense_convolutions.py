"""Dilated convolutions that each read all maps before them, in memory that is laid out once.

Joining the maps anew for every layer (as `torch.cat` does) keeps a copy of all earlier ones a layer, and adds
up as many gradients. Here all maps of all layers, and all their gradients, lie in one canvas each, with a
margin as wide as the largest dilation that holds their reflection: a layer reads the channels before its own
and writes its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_weight

LAST = torch.channels_last


def dense_convolutions(
    features: Float[Tensor, "b c y x"],
    weights: Sequence[Float[Tensor, "w n 3 3"]],
    biases: Sequence[Float[Tensor, " w"]],
    dilations: Sequence[int],
) -> Float[Tensor, "b channel y x"]:
    """Return the features, and behind them the maps of all layers, all in the channels.

    Layer i is ReLU(weight * (features and maps of the layers before it) + bias), its 3 × 3 convolution
    dilated by ``dilations[i]`` and its input reflected at the borders. Computed in the arithmetic of autocast
    where that is on.

    Parameters
    ----------
    features
        Larger along y and x than every dilation.
    weights
        Of each layer, (w, n, 3, 3) with n the channels before it and the same w for all.
    biases
        Of each layer, (w,).
    dilations
        Of each layer [pixel].
    """
    device = features.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        features, weights = features.to(dtype), [weight.to(dtype) for weight in weights]
        biases = [bias.to(dtype) for bias in biases]
    with torch.autocast(device, enabled=False):
        maps: Tensor = _DenseConvolutions.apply(  # type: ignore[no-untyped-call]
            features, tuple(dilations), *weights, *biases
        )
    return maps


class _DenseConvolutions(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, dilations: tuple[int, ...], *parameters: Tensor) -> Tensor:
        weights, biases = parameters[: len(dilations)], parameters[len(dilations) :]
        first, each, margin = features.shape[1], len(biases[0]), max(dilations)
        canvas = _canvas(features, first + each * len(dilations), margin)
        maps = inside(canvas, margin)
        maps[:, :first] = features
        reflect_(canvas[:, :first], margin)
        lit = []
        for layer, (weight, bias, dilation) in enumerate(zip(weights, biases, dilations, strict=True)):
            before = first + each * layer
            seen = _seen(canvas, before, margin - dilation)
            found = functional.conv2d(seen, weight, bias, dilation=dilation).relu_()
            maps[:, before : before + each] = found
            reflect_(canvas[:, before : before + each], margin)
            lit.append(found.sign())
        ctx.save_for_backward(canvas, *weights, *lit)
        ctx.dilations, ctx.first = dilations, first
        return maps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        canvas, *saved = ctx.saved_tensors
        weights, lit = saved[: len(ctx.dilations)], saved[len(ctx.dilations) :]
        each, margin = len(weights[0]), max(ctx.dilations)
        gradients = torch.zeros_like(canvas)
        inside(gradients, margin).copy_(gradient)
        of_weights: list[Tensor] = []
        of_biases: list[Tensor] = []
        for layer in reversed(range(len(weights))):
            before, dilation = ctx.first + each * layer, ctx.dilations[layer]
            own = gradients[:, before : before + each].contiguous(memory_format=LAST)
            fold_(own, margin)
            arriving = inside(own, margin).contiguous(memory_format=LAST).mul_(lit[layer])
            seen = _seen(canvas, before, margin - dilation)
            of_biases.insert(0, arriving.sum((0, 2, 3)))
            own_weight = conv2d_weight(  # type: ignore[no-untyped-call]
                seen, weights[layer].shape, arriving, dilation=dilation
            )
            of_weights.insert(0, own_weight)
            mirrored = weights[layer].transpose(0, 1).flip(2, 3)
            passed = functional.conv2d(arriving, mirrored, padding=2 * dilation, dilation=dilation)
            inside(gradients[:, :before], margin - dilation).add_(passed)
        fold_(gradients[:, : ctx.first], margin)
        return inside(gradients[:, : ctx.first], margin), None, *of_weights, *of_biases


def _canvas(features: Tensor, channels: int, margin: int) -> Tensor:
    """Return room for maps of the size of the features, with margins."""
    batch, _, height, width = features.shape
    shape = (batch, channels, height + 2 * margin, width + 2 * margin)
    return torch.empty(shape, dtype=features.dtype, device=features.device, memory_format=LAST)


def inside(canvas: Tensor, margin: int) -> Tensor:
    """Return the view of a canvas (b, c, y, x) without a margin."""
    height, width = canvas.shape[-2:]
    return canvas[..., margin : height - margin, margin : width - margin]


def _seen(canvas: Tensor, channels: int, margin: int) -> Tensor:
    """Return a dense copy of the first channels, as convolutions want it, without what they do not see."""
    return inside(canvas[:, :channels], margin).contiguous(memory_format=LAST)


def reflect_(canvas: Tensor, margin: int) -> None:
    """Fill the margins of a canvas (b, c, y, x) with what is inside, reflected; its edge is not repeated."""
    for axis in (2, 3):
        end = canvas.shape[axis] - margin
        for margin_at, mirror_at in ((0, margin + 1), (end, end - 1 - margin)):
            mirror = canvas.narrow(axis, mirror_at, margin).flip(axis)
            canvas.narrow(axis, margin_at, margin).copy_(mirror)


def fold_(gradients: Tensor, margin: int) -> None:
    """Add what lies in the margins to where `reflect_` took it from: its adjoint, but for the margins."""
    for axis in (3, 2):
        end = gradients.shape[axis] - margin
        for margin_at, mirror_at in ((0, margin + 1), (end, end - 1 - margin)):
            mirror = gradients.narrow(axis, margin_at, margin).flip(axis)
            gradients.narrow(axis, mirror_at, margin).add_(mirror)
