"""Apply a network to a frame of any size, in tiles where it is large: memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from nanonet.records import InputError


@runtime_checkable
class ImageNetwork(Protocol):
    """What every architecture here offers."""

    def normalise(self, counts: Tensor, /) -> Tensor:
        """Return the contrast of raw counts."""

    def logits(self, contrast: Tensor, /) -> Tensor:
        """Return the logits of contrast."""


def predict_tiled(
    network: ImageNetwork, counts: Float[Tensor, "b c y x"], *, tile: int = 2048, margin: int = 128
) -> Float[Tensor, "b class _y _x"]:
    """Return the logits of whole frames; those larger than a tile are read tile by tile.

    A network that says one thing of a whole image gives a single pixel; images must then fit into a tile.

    A frame is normalised whole. Each tile is read with a margin around it that is then cut off: with a margin
    beyond what the network sees around a pixel, and layers that do not average over the frame, the result is
    that of the whole frame, without seams. A network with a global context takes that of each tile.

    Small tiles take less memory, large ones less time, since less of a frame is read twice.

    Parameters
    ----------
    network
        In evaluation mode.
    counts
        Raw counts.
    tile
        Side of a tile with its margins [pixel]; a multiple of what the network pads to.
    margin
        Pixels around a tile that are read and cut off; a multiple likewise.

    Raises
    ------
    InputError
        If the margins leave nothing of a tile.
    """
    if not 0 <= 2 * margin < tile:
        raise InputError(f"a tile of {tile} pixels needs a margin of less than half of it, got {margin}")
    contrast = network.normalise(counts)
    height, width = contrast.shape[-2:]
    if height <= tile and width <= tile:
        return network.logits(contrast)
    whole: Tensor | None = None
    for y_core, y_read in _tiles(height, tile, margin):
        for x_core, x_read in _tiles(width, tile, margin):
            part = network.logits(contrast[..., y_read, x_read])
            if whole is None:
                whole = part.new_empty((*part.shape[:2], height, width))
            inside = part[..., _within(y_core, y_read), _within(x_core, x_read)]
            whole[..., y_core, x_core] = inside
    return whole if whole is not None else contrast.new_empty(0)


def _tiles(length: int, tile: int, margin: int) -> Iterator[tuple[slice, slice]]:
    """Yield along one axis what is kept of each tile, and what is read for it."""
    step = tile - 2 * margin
    for start in range(0, length, step):
        stop = min(start + step, length)
        yield slice(start, stop), slice(max(start - margin, 0), min(stop + margin, length))


def _within(core: slice, read: slice) -> slice:
    return slice(core.start - read.start, core.stop - read.start)
