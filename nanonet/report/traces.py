"""Depth of every site over the whole movie, packed for the viewer."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from jaxtyping import Int

from nanonet.report.charts import plain
from nanonet.report.history import UNKNOWN, History

DEPTH_BUDGET = 300_000
READ_BUDGET = 160_000
"""Characters that the depths of all sites, and their readings in single frames, may take."""
_ABOVE_ALL = np.iinfo(np.int16).max


def encode_traces(history: History) -> dict[str, Any] | None:
    """Return the depth of every site in every frame, its interval and readings; None where none is known.

    ``depths`` holds three planes (site, frame) of depth, low and high, ``reads`` one of what single frames
    gave (None where that is the same): unsigned integers, one above the depth so that 0 stands for unknown,
    deflated (RFC 1950) and in base 64. Depths hardly change from frame to frame, so that little is left.
    Where it is still too much, of each ``step`` neighbouring frames the middle one is kept, with the least
    lower and the greatest upper end of all of them.
    """
    if history.depth_range is None:
        return None
    return {
        "tracks": plain(history.tracks),
        "first": int(history.frames[0]),
        "frames": len(history.frames),
        "followed": history.followed,
        "depths": _packed((history.depth, history.low, history.high), DEPTH_BUDGET),
        "reads": _packed((history.read,), READ_BUDGET) if history.followed else None,
    }


def _packed(planes: tuple[Int[np.ndarray, "s t"], ...], budget: int) -> dict[str, Any]:
    step = 1
    while True:
        kept = np.stack([_kept(plane, index, step) for index, plane in enumerate(planes)]) - UNKNOWN
        kept = kept.astype("<u1" if kept.max(initial=0) < 256 else "<u2")
        text = base64.b64encode(zlib.compress(kept.tobytes())).decode("ascii")
        if len(text) <= budget or kept.shape[2] <= 2:
            return {"step": step, "count": kept.shape[2], "bytes": kept.itemsize, "data": text}
        step += 1


def _kept(plane: Int[np.ndarray, "s t"], index: int, step: int) -> Int[np.ndarray, "s g"]:
    """Return of each ``step`` frames the middle one (planes 0), the least (1) or the greatest (2) value."""
    count = plane.shape[1]
    begin = np.arange(0, count, step)
    if index == 0:
        return plane[:, np.minimum(begin + (step - 1) // 2, count - 1)]
    if index == 2:
        return np.asarray(np.maximum.reduceat(plane, begin, axis=1))
    least = np.minimum.reduceat(np.where(plane == UNKNOWN, _ABOVE_ALL, plane), begin, axis=1)
    return np.where(least == _ABOVE_ALL, UNKNOWN, least)
