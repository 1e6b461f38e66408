"""Previews as the page holds them: a JPEG, outlines of particles, columns, all small."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nanonet.report.charts import plain
from nanonet.report.preview import Preview

BUDGET = 2_200_000
"""Characters that all previews of a page may take together."""
STEPS = ((1.0, 88), (1.0, 75), (1.0, 60), (0.7, 60), (0.5, 60))
"""Scales and JPEG qualities, tried in order until the images fit: noise is what takes room."""
SMOOTHING = ((24, 0, 1), (80, 1, 2), (math.inf, 2, 4))
"""(points, reach, step): of a ring of fewer points, averages over 2 reach + 1 are kept at each step-th.

Points of a contour lie about 0.7 shown pixels apart.
"""


def encode_previews(previews: Sequence[Preview], budget: int = BUDGET) -> list[dict[str, Any]]:
    """Return what the page draws, frame by frame; every second preview is left out until all fit."""
    drawings = [_drawing(preview) for preview in previews]
    while previews:
        room = budget - sum(len(json.dumps(drawing, separators=(",", ":"))) for drawing in drawings)
        images = _images_within(room, previews)
        if images is not None:
            return [drawing | {"image": image} for drawing, image in zip(drawings, images, strict=True)]
        previews, drawings = previews[1::2], drawings[1::2]
    return []


def _images_within(room: int, previews: Sequence[Preview]) -> list[str] | None:
    """Return the images at the best quality that fits; None if none does and frames can be spared."""
    for scale, quality in STEPS:
        images: list[str] = []
        for preview in previews:
            images.append(_jpeg(preview.image, scale, quality))
            if sum(map(len, images)) > room:
                break
        else:
            return images
    return images if len(previews) == 1 else None


def _jpeg(image: np.ndarray, scale: float, quality: int) -> str:
    from PIL import Image

    picture, buffer = Image.fromarray(image), io.BytesIO()
    if scale != 1.0:
        small = [max(1, round(side * scale)) for side in picture.size]
        picture = picture.resize((small[0], small[1]), Image.Resampling.BOX)
    picture.save(buffer, format="JPEG", quality=quality, optimize=True)
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
    """Return [id, ring, ring, ...] for each particle, smoothed over a pixel or two.

    A ring is a closed polygon (x, y, dx, dy, dx, dy, ...) in quarter pixels from the centre of the first
    pixel: its first corner, then the step to each next one.
    """
    from scipy.ndimage import find_objects

    boxes = find_objects(np.ascontiguousarray(labels).astype(np.int32))
    return [
        [index, *_rings(labels[box] == index, (box[1].start, box[0].start))]
        for index, box in enumerate(boxes, start=1)
        if box is not None
    ]


def _rings(mask: np.ndarray, corner: tuple[int, int]) -> list[list[int]]:
    from skimage.measure import find_contours

    rings = []
    for contour in find_contours(np.pad(mask, 1).astype(np.uint8), 0.5):
        xy = _smooth(contour[:-1, ::-1]) - 1 + np.array(corner)
        rings.append(np.diff(np.round(4 * xy).astype(int), axis=0, prepend=0).ravel().tolist())
    return rings


def _smooth(ring: np.ndarray) -> np.ndarray:
    """Return a closed ring averaged over neighbouring points and thinned; less so, the smaller it is."""
    reach, step = next((reach, step) for most, reach, step in SMOOTHING if len(ring) < most)
    mean = np.mean([np.roll(ring, shift, axis=0) for shift in range(-reach, reach + 1)], axis=0)
    return np.asarray(mean[::step])
