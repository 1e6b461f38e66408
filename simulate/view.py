"""Where the pixels of an image lie in the box of a specimen: the one transformation of image and truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float


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
        (2, 2), its columns are the steps (y, x) in the box along the image's y and x: a rotation, perhaps with
        a mirror, and the shear of a drift during a scan. The unit matrix where the image lies like the box.
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


def quarter_turn(quarters: int, *, mirrored: bool = False) -> Float[np.ndarray, "2 2"]:
    """Return axes turned by ``quarters`` · 90° (y towards x), after a mirror of x if asked for."""
    turn = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), quarters % 4)
    return np.asarray(np.diag([1.0, -1.0 if mirrored else 1.0]) @ turn)


def random_view(side: float, pixel_size: float, shape: tuple[int, int], rng: np.random.Generator) -> View:
    """Draw a view of a square box of edge ``side`` [Å]: turned, perhaps mirrored, anywhere within it.

    A frame that is larger than the box has it near its middle, within 2 Å.
    """
    axes = quarter_turn(int(rng.integers(4)), mirrored=bool(rng.integers(2)))
    length = pixel_size * np.array(shape, dtype=float)
    reach = np.maximum(np.maximum(side - np.abs(axes @ length), 0.0), 4.0) / 2
    middle = side / 2 + rng.uniform(-reach, reach)
    first = middle - axes @ (length - pixel_size) / 2
    return View(origin=(float(first[0]), float(first[1])), pixel_size=pixel_size, shape=shape, axes=axes)
