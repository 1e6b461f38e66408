"""Movies of one platinum particle that turns, with exact truth.

The particles are those of atom_models_maps.py, with a tenth of the surface and a fiftieth of the core taken
away. A frame is the projection of their Gaussian atoms, sampled at the middle of each pixel, and noise; SNR
is the variance of the projection within the particle over that of the white noise.

- plain: orientations drawn at random, the particle near the middle of small frames, white noise.
- liquid: a larger field that the particle diffuses through; it turns by rotational diffusion, so that frames
  that follow each other are alike; graphene stands still behind it, and the liquid adds noise of a range of
  some pixels, new in every frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from atom_models_maps import VOXEL, Truth, particle, with_holes
from jaxtyping import Float
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

KINDS = ("plain", "liquid")
_FIELD = {"plain": 1.0, "liquid": 1.6}
"""Side of the frames over that of the box around the particle."""
_PLACE = 1.0
"""Standard deviation of the place in plain frames [Å]."""
_STEP, _TURN = 0.3, np.deg2rad(8.0)
"""Of the diffusion from frame to frame [Å, rad]."""
_GRAPHENE, _SUPPORT = 2.46, 0.5
"""Lattice constant [Å]; variance over that of the white noise."""
_RANGE, _LIQUID = 4.0, 0.25
"""Of the liquid's noise [pixel]; variance over that of the white noise."""
_INSIDE = 0.05
"""Share of the brightest pixel from which a pixel of a projection is within the particle."""


@dataclass(frozen=True, kw_only=True)
class Movie:
    """A movie on disk (.npy) and its truth.

    Parameters
    ----------
    positions
        (n, 3) of the atoms from their mean, (x, y, z) [Å].
    rotations
        (t, 3, 3) of each frame.
    places
        (t, 2), (x, y) of the atoms' mean [Å].
    noise
        Variance of the white noise.
    """

    path: Path
    truth: Truth
    positions: Float[np.ndarray, "n 3"]
    rotations: Float[np.ndarray, "t 3 3"]
    places: Float[np.ndarray, "t 2"]
    noise: float


def write_movie(path: Path, count: int, frames: int, snr: float, kind: str, seed: int, holes: bool) -> Movie:
    """Write a movie of a particle of about ``count`` atoms."""
    rng = np.random.default_rng(seed)
    box = 2 * int(1.36 * (8.2 + 0.6 * count ** (1 / 3)) / VOXEL / 1.04)
    side = int(box * _FIELD[kind]) // 2 * 2
    truth = particle(count, rng, side)
    if holes:
        truth = with_holes(truth, rng)
    positions = truth.atoms.positions - truth.atoms.positions.mean(0)
    rotations, places = _plain(frames, rng) if kind == "plain" else _diffused(frames, side - box, rng)
    places = places + VOXEL * (side // 2)
    pictures = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(frames, side, side))
    variance = float(
        np.mean([_inside(_projection(truth, positions, r, places[0], side)) for r in rotations[:40]])
    )
    noise = variance / snr
    behind = np.zeros((side, side)) if kind == "plain" else np.sqrt(_SUPPORT * noise) * _graphene(side)
    for index in range(frames):
        picture = _projection(truth, positions, rotations[index], places[index], side) + behind
        picture += rng.normal(scale=np.sqrt(noise), size=picture.shape)
        if kind == "liquid":
            slow = gaussian_filter(rng.normal(size=picture.shape), _RANGE, mode="wrap")
            picture += np.sqrt(_LIQUID * noise) * slow / slow.std()
        pictures[index] = picture
    pictures.flush()
    return Movie(path=path, truth=truth, positions=positions, rotations=rotations, places=places, noise=noise)


def projected(
    positions: Float[np.ndarray, "n 3"],
    weights: Float[np.ndarray, " n"],
    u_iso: Float[np.ndarray, " n"],
    place: Float[np.ndarray, " 2"],
    side: int,
) -> Float[np.ndarray, "s s"]:
    """Return the projection of Gaussian atoms, given from their middle, which lies at a place (x, y) [Å]."""
    ticks = np.arange(side) * VOXEL
    x, y = (
        np.exp(-((ticks - (positions[:, axis, None] + place[axis])) ** 2) / (2 * u_iso[:, None]))
        / np.sqrt(2 * np.pi * u_iso[:, None])
        for axis in (0, 1)
    )
    return np.asarray((y * weights[:, None]).T @ x)


def _projection(
    truth: Truth,
    positions: Float[np.ndarray, "n 3"],
    rotation: Float[np.ndarray, "3 3"],
    place: Float[np.ndarray, " 2"],
    side: int,
) -> Float[np.ndarray, "s s"]:
    return projected(positions @ rotation.T, truth.atoms.weights, truth.atoms.u_iso, place, side)


def _inside(picture: Float[np.ndarray, "s s"]) -> float:
    return float(picture[picture > _INSIDE * picture.max()].var())


def _plain(frames: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return Rotation.random(frames, rng=rng).as_matrix(), rng.normal(scale=_PLACE, size=(frames, 2))


def _diffused(frames: int, room: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    rotations = list(_turning(frames, rng))
    far = room * VOXEL / 2
    way = np.cumsum(rng.normal(scale=_STEP, size=(frames, 2)), axis=0)
    folded = np.abs((way + far) % (4 * far) - 2 * far) - far  # it turns round at the edges
    return np.stack(rotations), folded


def _turning(frames: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    rotation = Rotation.random(rng=rng)
    for _ in range(frames):
        yield rotation.as_matrix()
        rotation = Rotation.from_rotvec(rng.normal(scale=_TURN / np.sqrt(3), size=3)) * rotation


def _graphene(side: int) -> Float[np.ndarray, "s s"]:
    """Return a sheet of graphene of variance 1: its six first waves and the next six."""
    y, x = np.indices((side, side)) * VOXEL
    total = np.zeros((side, side))
    for order, weight in ((1.0, 1.0), (np.sqrt(3), 0.7)):
        for angle in np.deg2rad([0, 60, 120]) + (0.0 if order == 1.0 else np.pi / 6) + 0.2:
            k = order * 2 / (np.sqrt(3) * _GRAPHENE)
            total += weight * np.cos(2 * np.pi * k * (np.cos(angle) * x + np.sin(angle) * y))
    return np.asarray(total / total.std())
