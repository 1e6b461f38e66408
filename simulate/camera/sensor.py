"""The faults of one sensor, the same in each of its frames: gain pattern, dead and hot pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from simulate.camera.camera import Camera


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """The faults of a part of a sensor.

    Parameters
    ----------
    gain
        (y, x) relative gain of each pixel, around 1; None where all are 1.
    dead, hot
        (y, x) indices of pixels that give nothing, and of those that give too much.
    """

    gain: Float[np.ndarray, "y x"] | None
    dead: tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]
    hot: tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]


@lru_cache(maxsize=8)
def sensor_of(camera: Camera, number: int, shape: tuple[int, int]) -> Sensor:
    """Return the faults of a camera's sensor of that number: they follow from the number."""
    rng = np.random.default_rng([number, 0x5E])
    gain = None
    if camera.pattern:
        gain = np.maximum(1 + camera.pattern * rng.standard_normal(shape), 0.0).astype(np.float32)
    dead = hot = (np.zeros(0, dtype=int), np.zeros(0, dtype=int))
    if camera.dead or camera.hot:
        luck = rng.random(shape)
        dead = np.nonzero(luck < camera.dead)  # type: ignore[assignment]
        hot = np.nonzero(luck > 1 - camera.hot)  # type: ignore[assignment]
    return Sensor(gain=gain, dead=dead, hot=hot)


def with_bad_pixels(
    counts: Float[np.ndarray, "*b y x"], sensor: Sensor, camera: Camera, rng: np.random.Generator
) -> Float[np.ndarray, "*b y x"]:
    """Return counts in which bad pixels are seen, or are mended from their sound neighbours."""
    if not len(sensor.dead[0]) and not len(sensor.hot[0]):
        return counts
    counts = counts.copy()
    if not camera.mended:
        hot = counts[(..., *sensor.hot)]
        counts[(..., *sensor.dead)] = 0.0
        counts[(..., *sensor.hot)] = hot + rng.poisson(camera.hot_counts, hot.shape)
        return counts
    sound = np.ones(counts.shape[-2:], dtype=bool)
    sound[sensor.dead] = sound[sensor.hot] = False
    for row, column in zip(*np.nonzero(~sound), strict=True):
        near = (slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2))
        if sound[near].any():
            counts[..., row, column] = counts[(..., *near)][..., sound[near]].mean(axis=-1)
    return counts
