"""Some frames beside what the map says of them."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import affine_transform

from nanonet.reconstruct.project import project
from nanonet.tumbling.boxes import Boxes
from nanonet.tumbling.solved import Solved

_SHOWN = 6
_LIKE = 24
"""Frames that each mean is of, at most."""
_NEAR = np.deg2rad(6.0)
"""Between their directions of view."""


def shown(boxes: Boxes, solved: Solved) -> list[list[Float[np.ndarray, "s s"]]]:
    """Return three rows of pictures: frames; means of those seen from nearly the same side; projections."""
    sure = np.flatnonzero(solved.believed)
    if not len(sure):
        return []
    rotations = solved.beliefs.rotations[sure].astype(float)
    chosen = _apart(rotations[:, 2], _SHOWN)
    frames, means = [], []
    for one in chosen:
        along = rotations[:, 2] @ rotations[one, 2]
        near = np.argsort(-along, kind="stable")[:_LIKE]
        near = near[along[near] >= np.cos(_NEAR)]
        turned = [
            _centred(boxes, solved, int(sure[other]), rotations[one] @ rotations[other].T) for other in near
        ]
        frames.append(_centred(boxes, solved, int(sure[one]), np.eye(3)))
        means.append(np.mean(turned, axis=0))
    seen = project(
        torch.as_tensor(solved.volume.density),
        torch.as_tensor(rotations[chosen], dtype=torch.float32),
    )
    return [frames, means, list(seen.numpy())]


def _apart(directions: Float[np.ndarray, "n 3"], count: int) -> list[int]:
    """Return rows whose directions, either end, lie far apart: each the farthest from those before."""
    chosen = [0]
    while len(chosen) < min(count, len(directions)):
        chosen.append(int(np.abs(directions @ directions[chosen].T).max(1).argmin()))
    return chosen


def _centred(
    boxes: Boxes, solved: Solved, row: int, turn: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "s s"]:
    """Return a picture with the particle in the middle, turned in its plane as a rotation turns x."""
    picture = boxes.read(np.array([row]))[0]
    angle = np.arctan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1])
    back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])  # on (y, x)
    middle = np.full(2, len(picture) // 2)
    place = middle + solved.beliefs.shifts[row, ::-1]
    return np.asarray(affine_transform(picture, back, offset=place - back @ middle, order=1))
