"""Link the particles of a movie through time."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from nanonet.measure.assign import assigned, search_for
from nanonet.measure.columns import length_unit
from nanonet.measure.rejoin import rejoined
from nanonet.measure.spots import numbered, spots_of
from nanonet.records import InputError, ParticleTable


def link(
    table: ParticleTable, *, max_distance: float | None = None, max_gap: int = 2, rejoin: bool = True
) -> ParticleTable:
    """Fill ``track_id`` by linear assignment between frames (Jaqaman et al., Nat. Methods 5, 695 (2008)).

    The common drift of the frames is taken off first. Particles are then alike by place and by area, the more
    so the less each changes from frame to frame in this movie, and gaps are closed. Where two particles
    merge or one splits, the larger one carries the track on and the other ends or begins there; two that part
    again as they met keep their tracks (`nanonet.measure.rejoin`).

    Parameters
    ----------
    table
        Particles of one movie, or of several: each ``image`` is linked by itself.
    max_distance
        How far a particle may move between two frames beyond the drift, in nm (px where the table is in
        px); None finds it from the movie (`nanonet.measure.assign`).
    max_gap
        Frames in a row in which a particle may be missing.
    rejoin
        Whether tracks that meet and part are put right; without it one that has been counted as part of its
        neighbour begins a new track.

    Returns
    -------
    ParticleTable
        The same rows with ``track_id`` 1..n, numbered by first frame and particle.

    Raises
    ------
    InputError
        If ``max_distance`` is not positive or ``max_gap`` is negative.
    """
    unit = length_unit(table)
    if max_distance is not None and not (np.isfinite(max_distance) and max_distance > 0):
        raise InputError(f"max_distance must be positive, got {max_distance} {unit}")
    if max_gap < 0:
        raise InputError(f"max_gap must be 0 frames or more, got {max_gap}")
    if not len(table):
        return table
    data = table.data.copy()
    step = max_distance or float(data[f"equivalent_diameter_{unit}"].median())
    track = np.zeros(len(data), dtype=np.int64)
    for rows in data.groupby("image", sort=False).indices.values():
        spots = spots_of(data.iloc[rows], unit, step)
        search = search_for(spots, step, fixed=max_distance is not None)
        after = assigned(spots, search, max_gap=max_gap)
        if rejoin:
            after = rejoined(spots, after, max_gap=max_gap, reach=max(step, search.radius))
        track[rows] = numbered(spots.frame, after) + track.max()
    data["track_id"] = pd.array(track, dtype="Int64")
    return cast(ParticleTable, table.with_data(data))


def unlinked(table: ParticleTable) -> ParticleTable:
    """Return the table as it is: frames that do not follow each other in time have no tracks."""
    return table
