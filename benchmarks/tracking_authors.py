"""Tracks that others made by hand and eye of growth and coalescence in a liquid cell, as detections.

The table holds, for each of 32 groups of two or three particles that coalesce, area [px], x and y [px] in
each of 180 frames. Particles that are one in a frame have the same row; that tells which are.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from tracking_mistakes import Found

FILE = Path("growth_tracks") / "Pt_acac2_coalescence_pixel.csv"
PIXEL_SIZE = 5.3
"""Å."""
FRAME_TIME = 1.0
"""s."""


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """What is done to the authors' detections before they are linked anew.

    Parameters
    ----------
    dropped
        Chance that a particle is left out in a frame.
    added
        False particles over true ones; anywhere, as large as true ones of other frames.
    jitter
        Standard deviation of a position along an axis [px].
    noise
        Standard deviation of the logarithm of an area.
    """

    dropped: float = 0.0
    added: float = 0.0
    jitter: float = 0.0
    noise: float = 0.0


def read_authors(data: Path) -> list[list[Found]]:
    """Return the particles of each frame; the owners of each are numbers over all groups.

    Parameters
    ----------
    data
        The folder that holds the table.
    """
    with (data / FILE).open(newline="", encoding="utf-8") as file:
        rows = [[float(cell) if cell else np.nan for cell in row] for row in csv.reader(file)]
    table = np.array(rows)
    # Groups are parted by a column that is empty, but for two cells with a note of the authors.
    heads = [*np.flatnonzero(np.isnan(table).mean(axis=0) > 0.5), table.shape[1]]
    owners = np.concatenate([np.arange(first + 1, last).reshape(-1, 3) for first, last in pairwise(heads)])
    return [_frame(index, row, owners) for index, row in enumerate(table)]


def _frame(index: int, row: np.ndarray, columns: np.ndarray) -> list[Found]:
    of: dict[tuple[float, ...], set[int]] = defaultdict(set)
    for owner, triple in enumerate(row[columns].tolist()):
        if triple[0] > 0:
            of[tuple(triple)].add(owner)
    return [
        Found(frame=index, owners=frozenset(group), y=y, x=x, area=area, border=False)
        for (area, x, y), group in of.items()
    ]


def disturbed(frames: Sequence[Sequence[Found]], by: Disturbance, rng: np.random.Generator) -> list[Found]:
    """Return the particles in no order within a frame, some moved, left out and made up."""
    areas = np.array([spot.area for frame in frames for spot in frame])
    extent = np.array([(spot.y, spot.x) for frame in frames for spot in frame]).max(axis=0)
    found = []
    for index, frame in enumerate(frames):
        rows = [_moved(spot, by, rng) for spot in frame if rng.random() >= by.dropped]
        for _ in range(int(rng.poisson(by.added * len(frame)))):
            y, x = rng.uniform(0, extent)
            area = float(rng.choice(areas))
            rows.append(
                Found(frame=index, owners=frozenset(), y=float(y), x=float(x), area=area, border=False)
            )
        found += [rows[i] for i in rng.permutation(len(rows))]
    return found


def _moved(spot: Found, by: Disturbance, rng: np.random.Generator) -> Found:
    dy, dx = by.jitter * rng.standard_normal(2)
    area = spot.area * float(np.exp(by.noise * rng.standard_normal()))
    return Found(
        frame=spot.frame, owners=spot.owners, y=spot.y + dy, x=spot.x + dx, area=area, border=spot.border
    )
