"""The symmetries of a square pixel grid: a particle may lie any way up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nanonet.records import ColumnSample


def random_symmetry(sample: ColumnSample, rng: np.random.Generator) -> ColumnSample:
    """Return the sample mirrored, or turned by a quarter, at random: one of 8, of 4 if it is not square."""
    height, width = sample.image.shape[-2:]
    flip_y, flip_x, swap = rng.random(3) < 0.5
    return transform(sample, flip_y=bool(flip_y), flip_x=bool(flip_x), swap=bool(swap) and height == width)


def transform(sample: ColumnSample, *, flip_y: bool, flip_x: bool, swap: bool) -> ColumnSample:
    """Return the sample mirrored along y and x and then, for ``swap``, with y and x exchanged."""
    image, positions = sample.image, np.array(sample.positions, dtype=float)
    for axis, flip in enumerate((flip_y, flip_x)):
        if flip:
            last = (image.shape[axis - 2] - 1) * sample.pixel_size
            positions[:, axis] = last - positions[:, axis]
            image = np.flip(image, axis - 2)
    if swap:
        image, positions = np.swapaxes(image, -1, -2), positions[:, ::-1]
    return replace(
        sample, image=np.ascontiguousarray(image), positions=np.ascontiguousarray(positions, dtype=float)
    )
