"""What a sampler draws: the pixel size and the range of every setting, for the network's card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nanonet.data.column_depth import ColumnDepthDataset
from nanonet.records import InputError


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Pixel size [Å] of the images, and the lowest and highest value seen of each setting."""

    pixel_size: float
    trained_range: Mapping[str, tuple[float, float]]


def survey(dataset: ColumnDepthDataset, samples: int = 128) -> Survey:
    """Return what the first ``samples`` images of a training set are like.

    Raises
    ------
    InputError
        If the images differ in pixel size: a network is trained on one.
    """
    drawn = [dataset.sample(index) for index in range(samples)]
    sizes = sorted({round(sample.pixel_size, 9) for sample in drawn})
    if len(sizes) > 1:
        raise InputError(f"a network is trained on one pixel size, the data has {sizes} Å")
    names = sorted(set.intersection(*(set(sample.settings) for sample in drawn)))
    ranges = {name: [float(sample.settings[name]) for sample in drawn] for name in names}
    ranges["depth"] = [float(depth) for sample in drawn for depth in sample.depths] or [0.0]
    return Survey(
        pixel_size=sizes[0],
        trained_range={name: (min(values), max(values)) for name, values in ranges.items()},
    )
