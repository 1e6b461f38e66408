"""Masks of particles that touch or do not, with what a perfect network would say of their heights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Disc = tuple[float, float, float]
"""Centre y, x and radius [px]."""


def disc_heights(discs: Sequence[Disc], shape: tuple[int, int] = (120, 200)) -> np.ndarray:
    """Return 1 in the middles of discs, falling to 0 at their outlines, negative beside them."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    height = np.full(shape, -1.0)
    for cy, cx, r in discs:
        height = np.maximum(height, 1.0 - np.hypot(y - cy, x - cx) / r)
    return height


def discs(*centres: Disc, shape: tuple[int, int] = (120, 200)) -> np.ndarray:
    return disc_heights(centres, shape) >= 0.0


def pair(distance: float, radius: float, angle: float = 0.0, other: float | None = None) -> np.ndarray:
    """Return two discs of some distance, in the middle of a frame that holds them."""
    side = int(distance + 4 * radius) + 10
    off = 0.5 * distance * np.array([np.sin(angle), np.cos(angle)])
    first, second = side / 2 + off + 0.21, side / 2 - off + 0.21
    return discs((*first, radius), (*second, radius if other is None else other), shape=(side, side))


def turned(length: float, width: float, angle: float, *, round_: bool = False) -> np.ndarray:
    """Return a rectangle, or an ellipse, in the middle of a frame that holds it."""
    half = int(length) + 4
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    y, x = y - 0.21, x + 0.13
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    if round_:
        return (2 * u / length) ** 2 + (2 * v / width) ** 2 <= 1
    return (np.abs(u) <= length / 2) & (np.abs(v) <= width / 2)
