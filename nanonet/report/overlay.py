"""Previews as the page holds them: a JPEG, outlines of particles, columns, all small."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from nanonet.report.charts import plain
from nanonet.report.preview import Preview

BUDGET = 2_400_000
"""Characters that all previews of a page may take together."""
QUALITIES = (88, 75, 60, 45)
"""JPEG qualities, tried in order until the previews fit the budget: noise is what takes room."""
TOLERANCE = 0.6
"""How far an outline may stray from the edge of its particle [shown pixels]."""


def encode_previews(previews: Sequence[Preview], budget: int = BUDGET) -> list[dict[str, Any]]:
    """Return what the page draws, frame by frame; every second preview is left out until all fit ``budget``."""
    drawings = [_drawing(preview) for preview in previews]
    room = budget - sum(len(str(drawing)) for drawing in drawings)
    if room < 0 and len(previews) > 1:
        return encode_previews(previews[::2], budget)
    images: list[str] = []
    for quality in QUALITIES:
        images = [_jpeg(preview.image, quality) for preview in previews]
        if sum(map(len, images)) <= room:
            break
    else:
        if len(previews) > 1:
            return encode_previews(previews[::2], budget)
    return [drawing | {"image": image} for drawing, image in zip(drawings, images, strict=True)]


def _jpeg(image: np.ndarray, quality: int) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _drawing(preview: Preview) -> dict[str, Any]:
    height, width = preview.image.shape
    found: dict[str, Any] = {"name": preview.name, "frame": preview.frame, "width": width, "height": height}
    found["pixel_size"] = preview.pixel_size
    if preview.labels is not None:
        found["outlines"] = outlines(preview.labels)
    if preview.points is not None:
        found["points"] = np.round(preview.points[:, ::-1], 1).ravel()
        found["values"] = preview.values
        found["ids"] = preview.ids
    return dict(plain(found))


def outlines(labels: np.ndarray) -> list[list[Any]]:
    """Return [id, ring, ring, ...] for each particle.

    A ring is a closed polygon (x, y, dx, dy, dx, dy, ...) in half pixels from the centre of the first pixel:
    its first corner, then the step to each next one.
    """
    from scipy.ndimage import find_objects

    boxes = find_objects(np.ascontiguousarray(labels).astype(np.int32))
    return [
        [index, *_rings(labels[box] == index, (box[0].start, box[1].start))]
        for index, box in enumerate(boxes, start=1)
        if box is not None
    ]


def _rings(mask: np.ndarray, corner: tuple[int, int]) -> list[list[int]]:
    from skimage.measure import approximate_polygon, find_contours

    rings = []
    for contour in find_contours(np.pad(mask, 1).astype(np.uint8), 0.5):
        few = approximate_polygon(contour, TOLERANCE)
        few = few if len(few) > 3 else contour
        xy = np.round(2 * (few[:-1, ::-1] - 1 + np.array(corner[::-1]))).astype(int)
        rings.append(np.diff(xy, axis=0, prepend=0).ravel().tolist())
    return rings
