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


def fusing(count: int = 12, when: int = 6, seed: int = 0) -> np.ndarray:
    """Return frames (t, y, x) of 10 bright discs with Poisson noise; two of them near each other become one.

    Eight of radius 9 stay where they are but for a drift of a pixel a frame. The two, of radii 12 and 9 and
    4 pixels apart, are from frame ``when`` on one, as large as the sphere of their volume.
    """
    y, x = np.mgrid[:200, :220]
    rng = np.random.default_rng([seed])
    others = [(float(cy), float(cx), 9.0) for cy in (30, 170) for cx in (30, 75, 120, 165)]
    frames = []
    for frame in range(count):
        pair = [(100.0, 80.0, 12.0), (100.0, 105.0, 9.0)]
        one = [(100.0, 87.0, float(np.cbrt(12.0**3 + 9.0**3)))]
        mean = np.full(x.shape, 8.0)
        for cy, cx, radius in others + (pair if frame < when else one):
            mean[(y - cy) ** 2 + (x - cx - frame) ** 2 < radius**2] += 30
        frames.append(rng.poisson(mean).astype(np.uint16))
    return np.stack(frames)
