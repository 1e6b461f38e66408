"""Where the pixels of an image lie in the box of a specimen: the one transformation of image and truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float

from nanonet.records import InputError

Window = tuple[tuple[float, float], tuple[float, float]]
"""Lowest and highest y, lowest and highest x of the box [Å] that images may show."""


@dataclass(frozen=True, kw_only=True)
class View:
    """The pixels of an image: the centre of pixel (i, j) lies at origin + pixel_size · axes @ (i, j).

    Parameters
    ----------
    origin
        (y, x) in the box [Å] of the centre of the first pixel.
    pixel_size
        Å.
    shape
        (y, x) pixels.
    axes
        (2, 2), its columns are the steps (y, x) in the box along the image's y and x: a rotation, perhaps
        with a mirror and the shear of a drift during a scan. The unit matrix where it lies like the box.
    """

    origin: tuple[float, float]
    pixel_size: float
    shape: tuple[int, int]
    axes: Float[np.ndarray, "2 2"] = field(default_factory=lambda: np.eye(2))

    def to_image(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Return (y, x) [Å] from the centre of the image's first pixel, of points (y, x) of the box."""
        return np.asarray((points - np.array(self.origin)) @ np.linalg.inv(self.axes).T)

    def to_box(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Return points (y, x) of the box, of (y, x) [Å] from the centre of the image's first pixel."""
        return np.asarray(points @ self.axes.T + np.array(self.origin))

    def contains(self, points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        """Return which points (y, x) [Å] of the image's own frame lie on its pixels."""
        pixels = points / self.pixel_size
        return np.asarray(((pixels >= -0.5) & (pixels < np.array(self.shape) - 0.5)).all(axis=1))


def moved(view: View, step: Sequence[float] | Float[np.ndarray, " 2"]) -> View:
    """Return a view that lies elsewhere by (y, x) [Å] of the box."""
    return replace(view, origin=(view.origin[0] + float(step[0]), view.origin[1] + float(step[1])))


def quarter_turn(quarters: int, *, mirrored: bool = False) -> Float[np.ndarray, "2 2"]:
    """Return axes turned by ``quarters`` · 90° (y towards x), after a mirror of x if asked for."""
    turn = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), quarters % 4)
    return np.asarray(np.diag([1.0, -1.0 if mirrored else 1.0]) @ turn)


def random_view(
    side: float,
    pixel_size: float,
    shape: tuple[int, int],
    rng: np.random.Generator,
    window: Window | None = None,
) -> View:
    """Draw a view of a square box of edge ``side`` [Å]: turned by quarters, perhaps mirrored, see `put`."""
    axes = quarter_turn(int(rng.integers(4)), mirrored=bool(rng.integers(2)))
    return put(axes, side, pixel_size, shape, rng, window)


def put(
    axes: Float[np.ndarray, "2 2"],
    side: float,
    pixel_size: float,
    shape: tuple[int, int],
    rng: np.random.Generator,
    window: Window | None = None,
) -> View:
    """Draw where an image of given ``axes`` lies: anywhere within the window.

    Without a window that is the square box of edge ``side`` [Å], and an image that is larger has it near its
    middle, within 2 Å.

    Raises
    ------
    InputError
        If the image shows more than the window.
    """
    low, high = np.transpose(window or ((0.0, side), (0.0, side)))
    length = pixel_size * (np.array(shape, dtype=float) - 1)
    room = high - low - np.abs(axes) @ (length + pixel_size)
    if window is not None and (room < 0).any():
        raise InputError(
            f"images of {shape[0]} x {shape[1]} pixels of {pixel_size:.3g} Å show more than the "
            f"{high[0] - low[0]:.3g} x {high[1] - low[1]:.3g} Å that are simulated: make them smaller, or "
            "simulate more (imaging.least_side or imaging.padding; a slab's diameter)"
        )
    reach = np.maximum(room, 0.0 if window is not None else 4.0) / 2
    first = (low + high) / 2 + rng.uniform(-reach, reach) - axes @ length / 2
    return View(origin=(float(first[0]), float(first[1])), pixel_size=pixel_size, shape=shape, axes=axes)
