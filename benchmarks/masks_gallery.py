"""The images that a method segments worst, with what it found and what is there, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

COLUMNS, ROWS = 4, 3
FOUND, TRUE = (230, 40, 40), (40, 220, 60)
_WIDTH = 480
"""Pixels of an image in the picture."""

Case = tuple[str, Shaped[np.ndarray, "y x"], Int[np.ndarray, "y x"], Int[np.ndarray, "y x"]]
"""Caption, image, found and true instances."""


def draw(cases: Sequence[Case], path: Path) -> None:
    """Write the first twelve cases: outlines of what was found in red, of what is there in green beneath."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * COLUMNS, 4.6 * ROWS), layout="constrained")
    FigureCanvasAgg(figure)
    for ax, (caption, image, found, true) in zip(figure.subplots(ROWS, COLUMNS).flat, cases, strict=False):
        ax.imshow(outlined(image, found, true), interpolation="nearest")
        ax.set_title(caption, fontsize=10)
    for ax in figure.axes:
        ax.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def outlined(
    image: Shaped[np.ndarray, "y x"], found: Int[np.ndarray, "y x"], true: Int[np.ndarray, "y x"]
) -> np.ndarray:
    """Return an image in colour, (y, x, 3) uint8, with both outlines."""
    from skimage.segmentation import find_boundaries

    low, high = np.percentile(image, [0.5, 99.5])
    grey = np.clip((image - low) / max(float(high - low), 1e-9) * 255, 0, 255).astype(np.uint8)
    picture = np.stack([grey] * 3, axis=-1)
    wide = max(1, image.shape[1] // _WIDTH)
    for labels, colour in ((true, TRUE), (found, FOUND)):
        edge = find_boundaries(np.maximum(labels, 0), mode="thick" if wide > 1 else "inner")
        picture[edge] = colour
    return picture
