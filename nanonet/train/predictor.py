"""A trained network as a function of counts, in the arithmetic that its processor is fastest in."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from nanonet.models.tiled import ImageNetwork

PIXELS_AT_ONCE = 1024 * 1024
"""Pixels that a network is given at a time; more frames or larger ones come in parts."""
_HEAD = "head"
"""What networks call their last layer."""


class Predictor:
    """Counts (b, frame, y, x) to logits (b, class, y, x), in parts that fit in memory.

    The network is copied, its batch normalisation folded into the convolutions before it, and where the
    processor multiplies bfloat16 natively all but the last layer is computed in it: about twice as fast,
    while the most probable depth changes for two columns in a thousand, those between two depths
    (benchmarks/inference.py). Logits stay finer than the 8 bits of that type.

    Parameters
    ----------
    network
        One of `nanonet.models`; it stays as it is, and what happens to it later changes nothing here.
    device
        "cpu" or "cuda".
    dtype
        Type of the weights; None for `fastest_dtype`.
    """

    def __init__(self, network: nn.Module, device: str, *, dtype: torch.dtype | None = None) -> None:
        self.device = device
        self.dtype = fastest_dtype(device) if dtype is None else dtype
        self.network = _prepared(network, device, self.dtype)

    def __call__(self, counts: Float[np.ndarray, "..."]) -> Float[np.ndarray, "b class _y _x"]:
        """Return the logits of raw counts, float32.

        Raises
        ------
        InputError
            If they are no images (b, frame, y, x).
        """
        if counts.ndim != 4 or 0 in counts.shape:
            raise InputError(f"a network takes images (b, frame, y, x), got shape {counts.shape}")
        at_once = max(1, PIXELS_AT_ONCE // (counts.shape[2] * counts.shape[3]))
        parts = [self._predict(counts[i : i + at_once]) for i in range(0, len(counts), at_once)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def normalise(self, counts: Tensor) -> Tensor:
        """Return the contrast of raw counts, in the type that the layers compute in."""
        return cast("ImageNetwork", self.network).normalise(counts).to(self.dtype)

    def logits(self, contrast: Tensor) -> Tensor:
        """Return the logits of contrast."""
        return cast("ImageNetwork", self.network).logits(contrast)

    def _predict(self, counts: Float[np.ndarray, "b frame y x"]) -> Float[np.ndarray, "b class _y _x"]:
        import torch

        from nanonet.models.tiled import predict_tiled

        with torch.inference_mode():
            image = torch.from_numpy(np.ascontiguousarray(counts, np.float32)).to(self.device)
            logits = predict_tiled(self, image)
        # Layers keep the classes of a pixel side by side; what reads them takes one class after the other.
        return np.ascontiguousarray(logits.float().cpu().numpy())


def fastest_dtype(device: str) -> torch.dtype:
    """Return bfloat16 for a processor that multiplies in it natively, else float32.

    A processor without such instructions emulates them, which takes longer than float32.
    """
    import torch

    # PyTorch before 2.13 may not tell; then float32 is safe.
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)() if device == "cpu" else {}
    native = any(known.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return torch.bfloat16 if native else torch.float32


def _prepared(network: nn.Module, device: str, dtype: torch.dtype) -> nn.Module:
    """Return a copy for inference: without batch normalisation, in ``dtype`` but for the last layer."""
    import torch

    ready = copy.deepcopy(network).eval().requires_grad_(False)
    fold_normalisation(ready)
    ready.to(device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    heads = [module for name, module in ready.named_modules() if name.rpartition(".")[2] == _HEAD]
    for head in heads:
        head.float().register_forward_pre_hook(_in_single_precision)
    return ready


def _in_single_precision(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(value.float() for value in inputs)


def fold_normalisation(network: nn.Module) -> None:
    """Put each batch normalisation that follows a convolution into its weights (Jacob et al., 2018).

    As in arXiv 1712.05877, with averages that are fixed; the network computes the same.
    """
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for block in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        layers: list[nn.Module] = []
        for layer in block:
            before = layers[-1] if layers else None
            if isinstance(layer, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
                layers[-1] = fuse_conv_bn_eval(before, layer)
            else:
                layers.append(layer)
        while len(block):
            del block[-1]
        block.extend(layers)
