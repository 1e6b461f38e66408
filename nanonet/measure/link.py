"""Link the particles of a movie through time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from nanonet.measure.columns import length_unit
from nanonet.measure.drift import drift
from nanonet.records import InputError, ParticleTable

_REFUSALS = ("segment_start_cost", "segment_end_cost", "no_splitting_cost", "no_merging_cost")
"""Costs of not linking what is left over; laptrack's own guess refuses a tenth of all gaps."""


def link(
    table: ParticleTable,
    *,
    max_distance: float | None = None,
    max_gap: int = 2,
    merges: bool = True,
    splits: bool = True,
) -> ParticleTable:
    """Fill ``track_id`` by linear assignment between frames (Jaqaman et al., Nat. Methods 5, 695 (2008)).

    The common drift of the frames is taken off first. Where two particles merge or one splits, the one whose
    area changes least carries the track on, as a rule the larger; the other track ends or begins there.

    Parameters
    ----------
    table
        Particles of one movie, or of several: each ``image`` is linked by itself.
    max_distance
        How far a particle may move between two frames beyond the drift, in nm (px where the table is in
        px); None takes the median equivalent diameter.
    max_gap
        Frames in a row in which a particle may be missing.
    merges, splits
        Whether two tracks may end in one particle, or begin from one; without them a particle that has been
        counted as part of its neighbour begins a new track more often.

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
    cutoffs = _cutoffs(step, merges=merges, splits=splits)
    track = np.zeros(len(data), dtype=np.int64)
    for rows in data.groupby("image", sort=False).indices.values():
        track[rows] = _tracks(data.iloc[rows], unit, step, max_gap, cutoffs) + track.max()
    data["track_id"] = pd.array(track, dtype="Int64")
    return cast(ParticleTable, table.with_data(data))


def unlinked(table: ParticleTable) -> ParticleTable:
    """Return the table as it is: frames that do not follow each other in time have no tracks."""
    return table


def _cutoffs(step: float, *, merges: bool, splits: bool) -> dict[str, Any]:
    """Return the largest squared distances of each kind of link."""
    return {
        "cutoff": step**2,
        "gap_closing_cutoff": step**2,
        "merging_cutoff": step**2 if merges else False,
        "splitting_cutoff": step**2 if splits else False,
    }


def _tracks(
    rows: pd.DataFrame, unit: str, step: float, max_gap: int, cutoffs: dict[str, Any]
) -> Int[np.ndarray, " n"]:
    """Return the track 1..n of each row of one movie."""
    from laptrack import LapTrack

    positions = rows[[f"y_{unit}", f"x_{unit}"]].to_numpy(dtype=np.float64)
    frames = rows["frame"].to_numpy()
    members = _members(frames - frames.min())
    shift = drift([positions[index] for index in members], max_step=step)
    still = [positions[index] - shift[t] for t, index in enumerate(members)]
    tracker = LapTrack(
        gap_closing_max_frame_count=max_gap + 1, **cutoffs, **dict.fromkeys(_REFUSALS, step**2)
    )
    graph = tracker.predict(still)
    return _chains(graph, members, rows[f"area_{unit}2"].to_numpy(dtype=np.float64))


def _members(frames: Int[np.ndarray, " n"]) -> list[Int[np.ndarray, " m"]]:
    """Return the rows of each frame; frames without particles have none."""
    order = np.argsort(frames, kind="stable")
    ends = np.searchsorted(frames[order], np.arange(frames.max() + 2))
    return [order[start:stop] for start, stop in pairwise(ends)]


def _chains(
    graph: Any, members: list[Int[np.ndarray, " m"]], area: Float[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Return the track of each row from a directed graph of (frame, index) nodes.

    A node keeps one way in and one out: at a merge or split the one to the particle closest in area. A track
    that only ended near by so cannot take over a neighbour, which keeps its own area.
    """
    row = {node: int(members[node[0]][node[1]]) for node in graph.nodes}
    next_of = {node: _likest(node, graph.successors(node), row, area) for node in graph.nodes}
    track = np.zeros(len(area), dtype=np.int64)
    number = 0
    for node in sorted(graph.nodes):
        before = _likest(node, graph.predecessors(node), row, area)
        if before is not None and next_of[before] == node:
            track[row[node]] = track[row[before]]
        else:
            number += 1
            track[row[node]] = number
    return track


def _likest(node: Any, others: Any, row: dict[Any, int], area: Float[np.ndarray, " n"]) -> Any | None:
    own = np.log(area[row[node]])
    return min(others, key=lambda other: (abs(np.log(area[row[other]]) - own), row[other]), default=None)
