"""Ways to follow the particles of a movie: the pipeline's, and laptrack with its defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from tracking_mistakes import Found
from tracking_scores import Union

from nanonet.measure.columns import LengthUnit, particle_columns
from nanonet.measure.film import Film
from nanonet.measure.follow import follow
from nanonet.measure.link import link
from nanonet.records import ParticleTable

RECENT = 5
"""Frames before an event whose owners say which particles became one."""
Rate = tuple[int, int, int, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Followed:
    """What a method makes of a movie.

    Parameters
    ----------
    track
        (n,) of each row.
    unions
        Coalescences; None where the method tells none.
    rates
        Track, first and last frame, growth rate of the diameter [a frame], and its 90 % interval.
    """

    track: Int[np.ndarray, " n"]
    unions: tuple[Union, ...] | None = None
    rates: tuple[Rate, ...] = ()


Method = Callable[[Sequence[Found], LengthUnit, Film], Followed]


def particle_table(found: Sequence[Found], unit: LengthUnit) -> ParticleTable:
    """Return what was found as a particle table; what tracks do not need is unknown."""
    columns = particle_columns(unit)
    data = pd.DataFrame(np.nan, index=range(len(found)), columns=[column.name for column in columns])
    data["image"] = "movie"
    data["frame"] = [each.frame for each in found]
    data["particle_id"] = data.groupby("frame").cumcount() + 1
    data[f"y_{unit}"], data[f"x_{unit}"] = [each.y for each in found], [each.x for each in found]
    data[f"area_{unit}2"] = [each.area for each in found]
    data[f"equivalent_diameter_{unit}"] = np.sqrt(4 * data[f"area_{unit}2"] / np.pi)
    data["touches_border"] = [each.border for each in found]
    for name in ("track_id", "class_id"):
        data[name] = pd.array([pd.NA] * len(data), dtype="Int64")
    return ParticleTable(data=data, columns=columns)


def nanonet(found: Sequence[Found], unit: LengthUnit, film: Film) -> Followed:
    """Return what `nanonet infer pipeline=particles` does."""
    linked = link(particle_table(found, unit))
    tracks, events = follow(linked, film)
    track = linked.data["track_id"].to_numpy(dtype=np.int64)
    merged = events.data[events.data["kind"] == "coalescence"]
    unions = tuple(
        _union(found, track, int(row.frame), (row.track_before_1, row.track_before_2), row.confidence)
        for row in merged.itertuples()
    )
    ends = [f"growth_rate_{end}{unit}_per_frame" for end in ("", "low_", "high_")]
    known = tracks.data.dropna(subset=ends)[["track_id", "first_frame", "last_frame", *ends]]
    return Followed(track=track, unions=unions, rates=tuple(known.itertuples(index=False, name=None)))


def laptrack(found: Sequence[Found], unit: LengthUnit, film: Film, *, merges: bool = False) -> Followed:
    """Return what laptrack does with its defaults, up to the median diameter: closes gaps, and merges."""
    from laptrack import LapTrack

    frame = np.array([each.frame for each in found])
    place = np.array([(each.y, each.x) for each in found])
    rows = [np.flatnonzero(frame == index) for index in range(film.frames)]
    furthest = float(np.median([4 * each.area / np.pi for each in found]))
    cutoffs = {"cutoff": furthest, "gap_closing_cutoff": furthest}
    if merges:
        cutoffs |= {"merging_cutoff": furthest, "splitting_cutoff": furthest}
    graph = LapTrack(**cutoffs).predict([place[index] for index in rows])
    at = {node: int(rows[node[0]][node[1]]) for node in graph.nodes}
    track = _segments(graph, at)
    unions = tuple(
        _union(found, track, node[0], [track[at[each]] for each in graph.predecessors(node)], 1.0)
        for node in graph.nodes
        if graph.in_degree(node) == 2
    )
    return Followed(track=track, unions=unions if merges else None)


def _segments(graph: Any, at: dict[Any, int]) -> Int[np.ndarray, " n"]:
    """Return the track of each row; tracks end where two merge or one splits."""
    track = np.zeros(len(at), dtype=np.int64)
    number = 0
    for node in sorted(graph.nodes):
        before = list(graph.predecessors(node))
        if len(before) == 1 and graph.out_degree(before[0]) == 1:
            track[at[node]] = track[at[before[0]]]
        else:
            number += 1
            track[at[node]] = number
    return track


def _union(
    found: Sequence[Found], track: np.ndarray, frame: int, two: Sequence[int], confidence: float
) -> Union:
    """Return which particles two tracks were of before a frame."""
    groups = []
    for number in two:
        rows = [row for row in np.flatnonzero(track == number) if found[row].frame < frame]
        last = sorted(rows, key=lambda row: found[row].frame)[-RECENT:]
        groups.append(frozenset().union(*(found[row].owners for row in last)))
    return Union(frame=frame, one=groups[0], other=groups[1], confidence=float(confidence))
