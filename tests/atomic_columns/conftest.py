"""Drawn lattices: Gaussian columns at known places, with counting noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nanonet.records import Micrograph

PIXEL = 0.2


def lattice_points(vectors, *, shape, basis=((0.0, 0.0),), margin=0.0, disc=None):
    """Return points (n, 2) [px] of a lattice with rows ``vectors`` [px], and which basis point each is of."""
    n = np.arange(-150, 151)
    nodes = np.stack(np.meshgrid(n, n), -1).reshape(-1, 2) @ np.asarray(vectors, float)
    centre = (np.array(shape) - 1) / 2
    points = (
        np.concatenate([nodes + np.asarray(b) @ np.asarray(vectors, float) for b in basis]) + centre + 0.31
    )
    kind = np.repeat(np.arange(len(basis)), len(nodes))
    keep = np.all((points > margin) & (points < np.array(shape) - 1 - margin), axis=1)
    if disc is not None:
        keep &= np.hypot(*(points - centre).T) < disc
    return points[keep], kind[keep]


def gaussians(points, height, width, shape):
    """Return the sum of Gaussians of the given heights [counts]."""
    image = np.zeros(shape)
    reach = int(np.ceil(5 * width))
    for (y, x), h in zip(points, np.broadcast_to(height, len(points)), strict=True):
        rows = np.arange(max(int(y) - reach, 0), min(int(y) + reach + 2, shape[0]))
        cols = np.arange(max(int(x) - reach, 0), min(int(x) + reach + 2, shape[1]))
        if len(rows) and len(cols):
            image[np.ix_(rows, cols)] += h * np.outer(
                np.exp(-((rows - y) ** 2) / (2 * width**2)), np.exp(-((cols - x) ** 2) / (2 * width**2))
            )
    return image


def rotated(vectors, degree):
    c, s = np.cos(np.radians(degree)), np.sin(np.radians(degree))
    return np.asarray(vectors, float) @ np.array([[c, s], [-s, c]])


@pytest.fixture
def points_of() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    return lattice_points


@pytest.fixture
def draw() -> Callable[..., np.ndarray]:
    return gaussians


@pytest.fixture
def turned() -> Callable[..., np.ndarray]:
    return rotated


@pytest.fixture
def shoot() -> Callable[..., Micrograph]:
    """Return a micrograph with counting noise of a mean image."""

    def shot(mean, seed=0, *, pixel_size=PIXEL, modality="HAADF", frame=0):
        image = np.random.default_rng([seed, frame]).poisson(mean).astype(np.float32)
        return Micrograph(image=image, name="drawn", frame=frame, pixel_size=pixel_size, modality=modality)

    return shot
