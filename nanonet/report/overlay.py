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
from nanonet.report.history import UNKNOWN
from nanonet.report.preview import Preview
from nanonet.report.shown_columns import SEEN, ShownColumns

BUDGET = 1_900_000
"""Characters that all previews of a page may take together."""
STEPS = ((1.0, 88), (1.0, 75), (1.0, 60), (1.0, 45), (0.7, 60), (0.7, 45), (0.5, 45))
"""Scales and JPEG qualities, tried in order until the images fit: noise is what takes room."""
KEPT = 0.75
"""Share of the previews that is kept, spread evenly, where even the smallest images do not fit."""
SMOOTHING = ((24, 0, 1), (80, 1, 2), (math.inf, 2, 4))
"""(points, reach, step): of a ring of fewer points, averages over 2 reach + 1 are kept at each step-th.

Points of a contour lie about 0.7 shown pixels apart.
"""


def encode_previews(previews: Sequence[Preview], budget: int = BUDGET) -> list[dict[str, Any]]:
    """Return what the page draws, frame by frame; where it is too much, previews are left out evenly."""
    drawings = [_drawing(preview) for preview in previews]
    while previews:
        room = budget - sum(len(json.dumps(drawing, separators=(",", ":"))) for drawing in drawings)
        images = _images_within(room, previews)
        if images is not None:
            return [drawing | image for drawing, image in zip(drawings, images, strict=True)]
        keep = np.linspace(0, len(previews) - 1, max(1, int(KEPT * len(previews)))).round().astype(int)
        previews, drawings = [previews[i] for i in keep], [drawings[i] for i in keep]
    return []


def _images_within(room: int, previews: Sequence[Preview]) -> list[dict[str, str]] | None:
    """Return the images at the best quality that fits; None if none does and frames can be spared."""
    for scale, quality in STEPS:
        images: list[dict[str, str]] = []
        used = 0
        for preview in previews:
            images.append(_images(preview, scale, quality))
            used += sum(map(len, images[-1].values()))
            if used > room:
                break
        else:
            return images
    return images if len(previews) == 1 else None


def _images(preview: Preview, scale: float, quality: int) -> dict[str, str]:
    both = {"image": preview.image, "mean": preview.mean}
    return {name: _jpeg(image, scale, quality) for name, image in both.items() if image is not None}


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
    if preview.columns is not None:
        found["columns"] = _columns(preview.columns)
    return dict(plain(found))


def _columns(columns: ShownColumns) -> dict[str, Any]:
    """Return what is known of the columns, a list a property; a property that none has is left out."""
    whole = {name: getattr(columns, name) for name in ("track", "depth", "low", "high", "read")}
    known = {name: np.where(v == UNKNOWN, np.nan, v) for name, v in whole.items() if np.any(v != UNKNOWN)}
    if "track" not in known:
        known["id"] = np.where(columns.column_id == UNKNOWN, np.nan, columns.column_id)
    if np.isfinite(columns.confidence).any():
        known["confidence"] = columns.confidence.round(2)
    if np.any(columns.state != SEEN):
        known["state"] = columns.state
    if np.array_equal(columns.read, columns.depth):
        known.pop("read", None)
    return {"xy": np.round(columns.positions[:, ::-1], 1).ravel(), **known}


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
