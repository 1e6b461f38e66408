"""Particles of supported catalysts against boxes drawn by hand around each: small, faint, on uneven supports.

A folder holds images/NAME.jpg and boxes/NAME.txt with a line a particle: class, then centre x, centre y,
width and height as shares of the image (the format of YOLO). A particle is found if the box around it has an
IoU above one half with a box that was drawn, one to one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

HERE = Path(__file__).resolve().parent
BOXES = HERE.parents[1] / "shared" / "data" / "catalyst_boxes"
ENOUGH = 0.5
QUICK = 4


def drawn(path: Path, shape: tuple[int, ...]) -> Float[np.ndarray, "n 4"]:
    """Return boxes (top, left, bottom, right) in pixels."""
    rows = np.loadtxt(path, ndmin=2)[:, 1:5]
    x, y, width, height = (rows * np.array([shape[1], shape[0], shape[1], shape[0]])).T
    return np.stack([y - height / 2, x - width / 2, y + height / 2, x + width / 2], axis=1)


def around(labels: Int[np.ndarray, "y x"]) -> Float[np.ndarray, "n 4"]:
    """Return the boxes around particles."""
    from scipy.ndimage import find_objects

    boxes = [box for box in find_objects(labels) if box is not None]
    return np.array([(r.start, c.start, r.stop, c.stop) for r, c in boxes], dtype=float).reshape(-1, 4)


def matched(found: Float[np.ndarray, "n 4"], true: Float[np.ndarray, "m 4"]) -> int:
    """Return how many boxes that were drawn are found."""
    from scipy.optimize import linear_sum_assignment

    if not len(found) or not len(true):
        return 0
    low = np.maximum(found[:, None, :2], true[None, :, :2])
    high = np.minimum(found[:, None, 2:], true[None, :, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=-1)
    area = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1) for boxes in (found, true)]
    iou = both / (area[0][:, None] + area[1] - both)
    rows, columns = linear_sum_assignment(-np.where(iou > ENOUGH, iou, 0.0))
    return int((iou[rows, columns] > ENOUGH).sum())


def main() -> None:
    """Segment the images by each network and the classical route; print what was found."""
    from functools import partial

    from nanonet.io.read import read_series
    from nanonet.segment import classical, network
    from nanonet.train.checkpoint import load_network

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=Path, default=BOXES, help="folder of images/ and boxes/")
    parser.add_argument("--checkpoint", nargs="*", default=["zoo:particle_masks"], help="networks to compare")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} images")
    words = parser.parse_args()
    if not words.boxes.is_dir():
        print(json.dumps({"skipped": f"{words.boxes} is not here: give --boxes FOLDER"}))
        return
    files = sorted((words.boxes / "boxes").glob("*.txt"))[: QUICK if words.quick else None]
    ways = {
        name: partial(network.segment, network=load_network(name, task="particle_mask"))
        for name in words.checkpoint
    }
    headline: dict[str, float] = {}
    for name, segment in {**ways, "classical": classical.segment}.items():
        right = found = true = 0
        for path in files:
            (picture,) = (words.boxes / "images").glob(f"{path.stem}.*")
            (micrograph,) = read_series(picture, pixel_size="px")
            boxes, own = drawn(path, micrograph.image.shape), around(segment(micrograph).labels)
            right, found, true = right + matched(own, boxes), found + len(own), true + len(boxes)
        recall, precision = right / true, right / max(found, 1)
        told = f"{name:24} {len(files)} images, {true} boxes: {recall:.3f} of them found"
        print(f"{told}, {precision:.3f} of what is found is one")
        headline |= {f"{name}_recall": round(recall, 3), f"{name}_precision": round(precision, 3)}
    print(json.dumps(headline))


if __name__ == "__main__":
    main()
