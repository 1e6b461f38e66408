"""Training images from stored exit waves: optics, dose, detector and frame drawn afresh each time."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np

from nanonet.records import ColumnSample, InputError
from simulate.detector import count
from simulate.frame import draw_origin, expected_image, in_frame, turned
from simulate.microscope import Microscope
from simulate.shards import Shard, find_shards, read_manifest, read_shard

CACHE_BYTES = 512 * 2**20
"""Waves that a sampler keeps in memory."""


class ColumnSampler:
    """Draws samples from a folder of shards.

    Parameters
    ----------
    shards
        The folder that `simulate.generate.generate` returned.
    microscope
        What settings are drawn from; None for the one in the shards' manifest.
    crop_pixels
        Edge of the square images.
    focal_points
        Nodes of the focal spread for each phonon configuration.

    Raises
    ------
    InputError
        If the folder holds no shards.
    """

    def __init__(
        self,
        shards: str | Path,
        microscope: Microscope | None = None,
        crop_pixels: int = 128,
        focal_points: int = 5,
    ) -> None:
        self.folder = Path(shards)
        manifest = read_manifest(self.folder)
        self.structures = find_shards(self.folder)
        if not self.structures:
            raise InputError(f"{self.folder} holds no finished shards: run the simulation again")
        if crop_pixels < 1 or focal_points < 1:
            raise InputError(
                f"crop_pixels and focal_points must be at least 1, got {crop_pixels}, {focal_points}"
            )
        self.microscope = microscope or Microscope(**manifest["recipe"]["microscope"])
        self.crop_pixels = crop_pixels
        self.focal_points = focal_points
        self._cache: OrderedDict[int, Shard] = OrderedDict()

    def __len__(self) -> int:
        return len(self.structures)

    def draw(self, structure: int, rng: np.random.Generator) -> ColumnSample:
        """Draw an image of a structure.

        The particle is turned by a multiple of 90°, perhaps mirrored, shifted by any fraction of a pixel, and
        seen through a lens and a camera that are drawn from the microscope. Labels go through the same
        transformation as the waves.

        Parameters
        ----------
        structure
            One of ``structures``.
        rng
            Decides everything that is drawn.
        """
        shard = self._read(structure)
        setting = self.microscope.draw(shard.exit_waves.energy, rng)
        waves, columns = turned(shard.exit_waves, shard.columns, int(rng.integers(4)), bool(rng.integers(2)))
        side = waves.waves.shape[-1] * waves.sampling
        origin = draw_origin(side, self.crop_pixels * setting.detector.pixel_size, rng)
        frame = (self.crop_pixels, self.crop_pixels)
        expected = expected_image(waves, setting, origin, frame, focal_points=self.focal_points)
        seen = in_frame(columns, origin, frame, setting.detector.pixel_size)
        return ColumnSample(
            image=count(expected, rng),
            pixel_size=setting.detector.pixel_size,
            positions=seen.positions,
            depths=seen.depths,
            structure=structure,
            settings=setting.values(),
        )

    def _read(self, structure: int) -> Shard:
        if structure in self._cache:
            self._cache.move_to_end(structure)
            return self._cache[structure]
        shard = read_shard(self.folder, structure)
        self._cache[structure] = shard
        while (
            len(self._cache) > 1
            and sum(s.exit_waves.waves.nbytes for s in self._cache.values()) > CACHE_BYTES
        ):
            self._cache.popitem(last=False)
        return shard
