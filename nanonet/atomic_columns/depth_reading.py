"""A reading of depths as the tables of a frame: its columns, and the probability of every depth."""

from __future__ import annotations

import numpy as np

from nanonet.atomic_columns.readout import LEVEL, Reading, narrowest_interval
from nanonet.atomic_columns.table import column_table
from nanonet.atomic_columns.time.table import DepthTable, depth_table
from nanonet.records import ColumnTable, Micrograph


def column_reading(
    reading: Reading, micrograph: Micrograph, *, min_probability: float = 0.0, level: float = LEVEL
) -> tuple[ColumnTable, DepthTable]:
    """Return the columns that are at least that probable, and the probabilities of the depths of all.

    Parameters
    ----------
    reading
        Of the frame, positions in its pixels.
    micrograph
        The frame.
    min_probability
        Least ``presence`` of a column.
    level
        Probability that the interval of a depth holds.
    """
    sure = reading.presence >= min_probability
    listed = reading.where(sure)
    low, high = narrowest_interval(listed.posterior, level)
    columns = column_table(
        listed.positions,
        frame=micrograph.frame,
        pixel_size=micrograph.pixel_size,
        values={
            "depth": listed.depth,
            "depth_mean": listed.depth_mean,
            "depth_low": np.minimum(low, listed.depth),
            "depth_high": np.maximum(high, listed.depth),
            "confidence": listed.confidence,
        },
    )
    depths = depth_table(
        reading.positions,
        presence=reading.presence,
        posterior=reading.posterior,
        column_id=np.where(sure, np.cumsum(sure), 0),
        frame=micrograph.frame,
        pixel_size=micrograph.pixel_size,
    )
    return columns, depths
