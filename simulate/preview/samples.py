"""The samples of a sheet: images as a network gets them, without their noise, and what is true of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from simulate.draw import ColumnSampler
from simulate.frame_truth import FrameTruth, frame_truth


@dataclass(frozen=True, kw_only=True)
class PreviewSample:
    """A drawn image with all that is known of it.

    Parameters
    ----------
    image
        (y, x) as the network gets it.
    expected
        (y, x) electrons a pixel without the detector's noise.
    settings
        What was drawn: dose [e/Å²], defocus [Å], ...
    about
        Plain facts on the structure: material, zone_axis, mistilt_degrees, ...
    structure
        Its index.
    """

    image: Float[np.ndarray, "y x"]
    expected: Float[np.ndarray, "y x"]
    truth: FrameTruth
    settings: Mapping[str, float]
    about: Mapping[str, Any]
    structure: int

    @property
    def pixel_size(self) -> float:
        """At the specimen [Å]."""
        return self.truth.view.pixel_size

    @property
    def has_columns(self) -> bool:
        """Whether columns with counted atoms are seen: not so off the zone axes."""
        return bool((self.truth.columns.depths > 0).any())


def draw_samples(folder: Path, count: int, crop_pixels: int, seed: int) -> list[PreviewSample]:
    """Draw samples from a folder of shards, spread over its structures; sample i follows from [seed, i]."""
    sampler = ColumnSampler(folder, crop_pixels=crop_pixels)
    step = max(len(sampler) / count, 1.0)
    chosen = [sampler.structures[int(i * step) % len(sampler)] for i in range(count)]
    return [
        _draw(sampler, structure, np.random.default_rng([seed, i, 8])) for i, structure in enumerate(chosen)
    ]


def _draw(sampler: ColumnSampler, structure: int, rng: np.random.Generator) -> PreviewSample:
    """Draw a sample as the sampler does, keeping what it throws away."""
    shard = sampler.read(structure)
    setting, view = sampler.scene(shard, rng)
    expected = sampler.imaging.expected(shard.stored, shard.side, setting, view)
    return PreviewSample(
        image=setting.record(expected, rng),
        expected=expected.numpy().copy(),
        truth=frame_truth(shard, view),
        settings={**setting.values(), "dose": setting.dose},
        about=shard.about,
        structure=structure,
    )
