"""Particle tables of movies drawn by hand: place and area of each particle in each frame."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nanonet.measure.columns import LengthUnit, particle_columns
from nanonet.records import ParticleTable

Row = tuple[int, float, float, float]
"""Frame, y, x, area."""


def table(
    rows: Sequence[Row], unit: LengthUnit = "nm", image: str = "m.mrc", border: Sequence[bool] = ()
) -> ParticleTable:
    """Return particles; none touches the border unless ``border`` says so for each."""
    frame, y, x, area = np.array(rows, dtype=float).reshape(-1, 4).T
    described = particle_columns(unit)
    data = pd.DataFrame({column.name: np.ones(len(frame)) for column in described})
    data["image"], data["frame"] = image, frame.astype(int)
    data[f"y_{unit}"], data[f"x_{unit}"], data[f"area_{unit}2"] = y, x, area
    data[f"equivalent_diameter_{unit}"] = np.sqrt(4 * area / np.pi)
    data["touches_border"] = np.array(border, dtype=bool) if len(border) else np.zeros(len(frame), dtype=bool)
    data["track_id"] = pd.array([pd.NA] * len(data), dtype="Int64")
    return ParticleTable(data=data, columns=described)


def bystanders(frames: int, seed: int = 0, growth: float = 0.0) -> list[Row]:
    """Return 12 particles of 10 nm far apart (y from 200), that jitter by 0.2 nm and 2 % of their area."""
    rng = np.random.default_rng([seed])
    rows: list[Row] = []
    for frame in range(frames):
        for index in range(12):
            y, x = 200.0 + 40 * (index // 4), 40.0 * (index % 4)
            diameter = 10.0 + growth * frame
            area = np.pi / 4 * diameter**2 * np.exp(0.02 * rng.standard_normal())
            dy, dx = 0.2 * rng.standard_normal(2)
            rows.append((frame, y + dy, x + dx, float(area)))
    return rows
