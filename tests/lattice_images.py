"""Crystals of Gaussian columns with counting noise, and a reader of them: a network that is a formula."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from nanonet.atomic_columns.readout import read_columns
from nanonet.records import ColumnSample, TrainedNetwork

PIXEL = 0.25
WIDTH = 0.55  # Å, of a column
HEIGHT = 0.2  # contrast an atom
DEEPEST = 5
_CELL = np.array([[3.3, 0.0], [0.4, 3.1]])


class LatticeSampler:
    """Particles of one crystal in any orientation; dose, size, thickness and sharpness differ.

    Changes for images that are unlike: the ``cell`` times ``stretch``, ``blur`` [Å], ``jitter`` of the
    columns [Å], ``texture`` of the background (contrast).
    """

    def __init__(
        self,
        count: int = 60,
        size: int = 96,
        dose: tuple[float, float] = (100.0, 6000.0),
        stretch: float = 1.0,
        blur: float = 0.0,
        jitter: float = 0.06,
        texture: float = 0.0,
    ):
        self.structures = tuple(range(count))
        self.size, self.dose = size, dose
        self.stretch, self.blur, self.jitter, self.texture = stretch, blur, jitter, texture

    def __len__(self) -> int:
        return len(self.structures)

    def draw(self, structure: int, rng: np.random.Generator) -> ColumnSample:
        fixed = np.random.default_rng([5, structure])
        side = self.size * PIXEL
        angle, radius = fixed.uniform(0, np.pi), fixed.uniform(0.28, 0.42) * side
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        n = np.arange(-30, 31)
        ideal = np.stack(np.meshgrid(n, n), -1).reshape(-1, 2) @ _CELL @ turn * self.stretch
        ideal = ideal[np.hypot(*ideal.T) < radius]
        thickness = fixed.uniform(0.5, 1.0) * DEEPEST * np.sqrt(1 - (np.hypot(*ideal.T) / radius) ** 2)
        depths = np.clip(np.rint(thickness), 1, DEEPEST).astype(int)
        positions = ideal + side / 2 + rng.uniform(-1, 1, 2) + self.jitter * rng.standard_normal(ideal.shape)
        dose = float(np.exp(rng.uniform(*np.log(self.dose))))
        width = np.hypot(WIDTH * rng.uniform(0.97, 1.03), self.blur)
        height = HEIGHT * (WIDTH / width) ** 2 * rng.uniform(0.95, 1.05)
        contrast = _drawn(positions / PIXEL, depths * height, width / PIXEL, self.size)
        if self.texture:
            film = ndimage.gaussian_filter(rng.standard_normal((self.size, self.size)), 0.6 / PIXEL)
            contrast += self.texture * film / film.std()
        counts = rng.poisson(np.maximum(1 + contrast, 0) * dose * PIXEL**2).astype(np.float32)
        return ColumnSample(
            image=counts,
            pixel_size=PIXEL,
            positions=positions,
            depths=depths,
            structure=structure,
            settings={"dose": dose},
        )


def _drawn(places: np.ndarray, heights: np.ndarray, width: float, size: int) -> np.ndarray:
    """Return the sum of Gaussians: the sum over columns of a product of one along y and one along x."""
    grid = np.arange(size)
    y, x = (np.exp(-((grid[:, None] - centre) ** 2) / (2 * width**2)) for centre in places.T)
    return (y * heights) @ x.T


def height_reader() -> TrainedNetwork:
    """Return the network: it compares the height of what fits around a pixel with that of each depth."""

    def predict(counts: np.ndarray) -> np.ndarray:
        return np.stack([_logits(frame[len(frame) // 2]) for frame in counts])

    return TrainedNetwork(
        predict=predict,
        task="column_depth",
        pixel_size=PIXEL,
        modality="HRTEM",
        trained_range={"dose": (100.0, 6000.0)},
        name="formula",
        sha256="0" * 64,
    )


def _logits(counts: np.ndarray) -> np.ndarray:
    vacuum = max(float(np.median(counts)), 1e-6)
    depth = _band_pass(counts / vacuum) / HEIGHT / _RESPONSE
    # in vacuum the variance of the counts is their mean, so that the noise of the fit is known
    noise = np.hypot(_NORM / np.sqrt(vacuum) / HEIGHT / _RESPONSE, 0.2)
    near = np.hypot(*np.mgrid[-3:4, -3:4]) <= 3.2
    top = ndimage.maximum_filter(depth, footprint=near)  # of the column that a pixel is of
    classes = np.arange(1, DEEPEST + 1)[:, None, None]
    of_depth = -((top - classes) ** 2) / (2 * noise**2)
    vacant = -(top**2) / (2 * noise**2) + 3.0  # most of an image is background
    share = np.clip(depth / np.maximum(top, 0.1), 0.01, 0.99)  # of the column in the pixel
    column = np.logaddexp.reduce(of_depth, axis=0)
    background = np.logaddexp(vacant, column + np.log(1 - share))
    return np.concatenate([background[None], of_depth + np.log(share)]).astype(np.float32)


def _band_pass(image: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(image, 0.35 / PIXEL) - ndimage.gaussian_filter(image, 1.0 / PIXEL)


def _filter_response() -> tuple[float, float]:
    """Return what the filter gives of a column of height 1, and the root of the sum of its squares."""
    centre = np.array([[32.0, 32.0]])
    column, point = (_drawn(centre, np.ones(1), width, 65) for width in (WIDTH / PIXEL, 1e-3))
    return float(_band_pass(column)[32, 32]), float(np.sqrt((_band_pass(point) ** 2).sum()))


_RESPONSE, _NORM = _filter_response()


def read(network: TrainedNetwork, counts: np.ndarray):
    """Return the reading of a frame with the defaults of `read_depth`."""
    logits = network.predict(counts[None, None])[0]
    chance = np.exp(logits - logits.max(0))
    return read_columns(
        chance / chance.sum(0),
        smoothing=0.3 / PIXEL,
        separation=1.0 / PIXEL,
        radius=0.6 / PIXEL,
        min_probability=0.02,
    )
