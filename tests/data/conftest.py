"""A sampler whose truth is known by construction."""

import numpy as np
import pytest

from nanonet.records import ColumnSample


class DotSampler:
    """One bright pixel at each column, as bright as the column is deep; the rest is drawn noise below 0.5."""

    structures = (0, 1, 2, 5)

    def __init__(self, shape=(24, 24), pixel_size=0.5):
        self.shape = shape
        self.pixel_size = pixel_size

    def __len__(self) -> int:
        return len(self.structures)

    def draw(self, structure: int, rng: np.random.Generator) -> ColumnSample:
        image = rng.uniform(0, 0.5, self.shape).astype(np.float32)
        pixels = np.array([[4, 5], [4, 15], [12, 9], [20, 18]])
        depths = np.array([1, 2, 3, 4]) + structure
        image[tuple(pixels.T)] = depths
        return ColumnSample(
            image=image,
            pixel_size=self.pixel_size,
            positions=pixels * self.pixel_size,
            depths=depths,
            structure=structure,
            settings={"dose": float(rng.uniform(100, 200))},
        )


@pytest.fixture
def dots():
    return DotSampler
