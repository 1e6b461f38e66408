"""Scenes with known truth that the whole way from file to report is tested on."""

import numpy as np


def discs(count: int = 4, side: int = 160, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return frames (t, y, x) of bright discs with Poisson noise, and their (y, x, radius) [px] in frame 0.

    The discs move by one pixel to the right a frame.
    """
    places = np.array([[45.0, 40.0, 14.0], [50.0, 110.0, 18.0], [115.0, 75.0, 22.0]])
    y, x = np.mgrid[:side, :side]
    rng = np.random.default_rng([seed])
    frames = []
    for frame in range(count):
        mean = np.full((side, side), 8.0)
        for cy, cx, radius in places:
            mean[(y - cy) ** 2 + (x - cx - frame) ** 2 < radius**2] += 30
        frames.append(rng.poisson(mean).astype(np.uint16))
    return np.stack(frames), places
