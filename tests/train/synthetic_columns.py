"""A sampler with the contract of the simulator's: Gaussian columns whose height grows with depth."""

import numpy as np

from nanonet.records import ColumnSample


class BlobSampler:
    """Columns on a rectangular lattice in a disc; the dose differs from image to image."""

    def __init__(
        self, count: int = 8, size: int = 48, pixel_size: float = 0.25, dose: float = 400.0, deepest: int = 3
    ):
        self.structures = tuple(range(count))
        self.size = size
        self.pixel_size = pixel_size
        self.dose = dose
        self.deepest = deepest

    def __len__(self) -> int:
        return len(self.structures)

    def draw(self, structure: int, rng: np.random.Generator) -> ColumnSample:
        side = self.size * self.pixel_size
        fixed = np.random.default_rng(structure)
        lattice = np.stack(np.meshgrid(np.arange(0, side, 3.1), np.arange(0, side, 2.7), indexing="ij"), -1)
        positions = lattice.reshape(-1, 2) + fixed.uniform(0, 2, 2) + rng.uniform(0, 0.5, 2)
        positions = positions[np.hypot(*(positions - side / 2).T) < 0.4 * side]
        depths = fixed.integers(1, self.deepest + 1, len(positions))
        y = np.arange(self.size)[:, None] * self.pixel_size
        x = np.arange(self.size)[None] * self.pixel_size
        signal = np.ones((self.size, self.size))
        for (cy, cx), depth in zip(positions, depths, strict=True):
            signal += 0.6 * depth * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 0.5**2))
        dose = self.dose * np.exp(rng.uniform(-0.5, 0.5))
        counts = rng.poisson(signal * dose * self.pixel_size**2).astype(np.float32)
        return ColumnSample(
            image=counts,
            pixel_size=self.pixel_size,
            positions=positions,
            depths=depths,
            structure=structure,
            settings={"dose": float(dose)},
        )
