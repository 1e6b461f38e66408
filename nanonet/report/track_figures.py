"""Figures of tracks: sizes over time with events, how fast which sizes grow, how tracks begin and end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nanonet.records import ParticleTable, Table
from nanonet.report.charts import BLUE, GREY, VERMILION, first_present, layout, plain, thinned
from nanonet.report.content import Figure
from nanonet.report.numbers import number_text, plain_text
from nanonet.report.particle_figures import DIAMETERS
from nanonet.report.time_axis import TimeAxis

GROUP = "Tracks"
FEW = 8
"""Tracks that each have a colour and a name of their own."""
COLOURS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#56B4E9", "#E69F00", GREY, "#8B5A2B")
SHORTEST = 3
"""Frames from which a track is drawn."""
MOST_DOTS = 12_000
"""Sizes that the figure of all tracks holds; of more, each track keeps some in equal steps."""
LONGEST_GAP = 3
"""Frames over which a line is drawn on where a particle is not seen."""
CROWD = 60
"""Tracks above which single frames are smoothed away, and lines are thinner."""
MOST_BARS = 150
"""Tracks whose intervals are drawn."""
EVENTS = {"coalescence": ("coalescence", "triangle-up"), "splitting": ("splitting", "triangle-down-open")}
"""What kinds of events are called, and the marks that they are drawn with."""


def track_figures(
    particles: ParticleTable, tracks: Table, events: Table, frame_time: float | None = None
) -> tuple[Figure, ...]:
    """Return the size of every track over time, growth rate against size, and how tracks begin and end.

    Parameters
    ----------
    particles
        Linked.
    tracks, events
        What `tracks.csv` and `particle_events.csv` hold.
    frame_time
        Between the starts of two frames [s]; None where not known.
    """
    data = particles.data
    column = first_present([str(name) for name in data.columns], *DIAMETERS)
    if column is None or tracks.data.empty:
        return ()
    unit = column.rsplit("_", 1)[1]
    axis = TimeAxis(frame_time=frame_time)
    return (
        *_every_track(data, tracks.data, events.data, column, unit, axis),
        *_rates(tracks, unit),
        *_fates(tracks.data),
    )


def _every_track(
    data: pd.DataFrame, tracks: pd.DataFrame, events: pd.DataFrame, column: str, unit: str, axis: TimeAxis
) -> tuple[Figure, ...]:
    long = tracks.loc[tracks["frames_seen"] >= SHORTEST, "track_id"]
    whole = data[~data["touches_border"] & data["track_id"].isin(long)]
    shown = whole.dropna(subset=[column]).sort_values(["track_id", "frame"])
    if shown.empty:
        return ()
    number, left_out = shown["track_id"].nunique(), len(tracks) - len(long)
    step = -(-len(shown) // MOST_DOTS)
    smooth = _smoothed(shown, column) if number > CROWD else shown
    kept = smooth[smooth.groupby("track_id").cumcount() % step == 0]
    lines = _named(kept, column, unit, axis)
    if number > FEW:
        lines = _unnamed(kept, _of(events), column, unit, axis)
    marks = _marks(events, shown, column, unit, axis)
    known = [f"{n} {EVENTS[str(kind)][0]}s" for kind, n in events["kind"].value_counts().items()]
    skipped = (
        f" {number_text(left_out, 0)} tracks of fewer than {SHORTEST} frames are left out."
        if left_out
        else ""
    )
    skipped += f" Of {step} frames of a track one is drawn." if step > 1 else ""
    drawn = "the median of 3 frames" if number > CROWD else "as each frame gave it"
    darker = "" if number <= FEW else ", and lines of both are darker"
    figure = Figure(
        group=GROUP,
        wide=True,
        tall=True,
        title=f"Size of every particle {axis.along}: {number_text(number, 0)} tracks",
        caption=f"A line is a particle, {drawn}; particles cut by the border are left out. A spike of a "
        "frame or two is a neighbour that was taken for a part of it. Marks are events "
        f"({', '.join(known) or 'none here'}), fainter the less certain; dots lead from the particle that "
        f"was taken in, or to the one that came out{darker}.{skipped}",
        data=(*lines, *marks),
        layout=layout(
            axis.title,
            f"equivalent diameter ({unit})",
            showlegend=bool(marks) or number <= FEW,
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        ),
    )
    return (figure,)


def _named(shown: pd.DataFrame, column: str, unit: str, axis: TimeAxis) -> tuple[dict[str, Any], ...]:
    return tuple(
        _line(_broken(rows, column), column, unit, axis)
        | {"name": f"track {track}", "line": {"color": colour, "width": 2}, "showlegend": True}
        for (track, rows), colour in zip(shown.groupby("track_id"), COLOURS, strict=False)
    )


def _smoothed(shown: pd.DataFrame, column: str) -> pd.DataFrame:
    sizes = shown.groupby("track_id")[column].rolling(3, center=True, min_periods=1).median()
    return shown.assign(**{column: sizes.to_numpy()})


def _of(events: pd.DataFrame) -> set[int]:
    """Return the tracks that take part in events."""
    names = [str(name) for name in events if str(name).startswith("track_")]
    return {int(track) for name in names for track in events[name].dropna()}


def _unnamed(
    shown: pd.DataFrame, known: set[int], column: str, unit: str, axis: TimeAxis
) -> tuple[dict[str, Any], ...]:
    """Return one line through all tracks without an event, and a darker one through those with one."""
    marked = shown["track_id"].isin(known)
    number = shown["track_id"].nunique()
    parts = (
        (shown[~marked], float(np.clip(15 / number, 0.2, 0.6))),
        (shown[marked], 0.9 if number <= CROWD else 0.6),
    )
    style = {"color": BLUE, "width": 1.5 if number <= CROWD else 1}
    return tuple(
        _line(_broken(rows, column), column, unit, axis)
        | {"line": style, "opacity": opacity, "showlegend": False}
        for rows, opacity in parts
        if len(rows)
    )


def _broken(shown: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the rows of tracks one after the other, with an empty row where a line ends."""
    steps = np.diff(shown["frame"].to_numpy(dtype=int))
    usual = int(np.median(steps[steps > 0])) if (steps > 0).any() else 1
    other = np.diff(shown["track_id"].to_numpy(dtype=int)) != 0
    ends = np.flatnonzero(other | (steps > LONGEST_GAP * usual)) + 1
    rows = shown.reset_index(drop=True)[["frame", "track_id", column]].astype(float)
    gaps = pd.DataFrame(np.nan, index=ends - 0.5, columns=rows.columns)
    return pd.concat([rows, gaps]).sort_index()


def _line(rows: pd.DataFrame, column: str, unit: str, axis: TimeAxis) -> dict[str, Any]:
    trace = {
        "type": "scatter",
        "mode": "lines",
        "connectgaps": False,
        "x": axis.at(rows["frame"].to_numpy(dtype=float)),
        "y": rows[column].to_numpy(dtype=float),
        "customdata": rows["track_id"].to_numpy(dtype=float, na_value=np.nan),
        "hovertemplate": f"track %{{customdata}}, {axis.hover}: %{{y:.3~g}} {unit}<extra></extra>",
    }
    return dict(plain(trace, 4))


def _marks(
    events: pd.DataFrame, shown: pd.DataFrame, column: str, unit: str, axis: TimeAxis
) -> tuple[dict[str, Any], ...]:
    marks = []
    for kind, (name, symbol) in EVENTS.items():
        found = events[events["kind"] == kind]
        found = found.iloc[thinned(len(found))]
        ends = [_ends(event, shown, column, unit) for _, event in found.iterrows()]
        if not ends:
            continue
        marks.append(_dots(ends, axis))
        marks.append(_symbols(found, [end[-1] for end in ends], name, symbol, unit, axis))
    return tuple(marks)


def _ends(
    event: pd.Series[Any], shown: pd.DataFrame, column: str, unit: str
) -> tuple[tuple[float, float], ...]:
    """Return (frame, diameter) of the particle taken in or that came out, and of the one it is in."""
    merging = event["kind"] == "coalescence"
    two, one = ("before", "after") if merging else ("after", "before")
    part = 1 if event[f"track_{two}_2"] == event[f"track_{one}_1"] else 2
    frame = float(event["frame"])
    sides = ((two, part, frame - merging), (one, 1, frame - (not merging)))
    return tuple(
        _place(shown, event[f"track_{when}_{i}"], near, column, _diameter(event[f"area_{when}_{i}_{unit}2"]))
        for when, i, near in sides
    )


def _place(shown: pd.DataFrame, track: int, frame: float, column: str, size: float) -> tuple[float, float]:
    """Return the point of a track nearest to a frame, within three; else the frame and a size."""
    own = shown[shown["track_id"] == track]
    if own.empty:
        return frame, size
    row = own.iloc[int(np.argmin(np.abs(own["frame"].to_numpy(dtype=float) - frame)))]
    near = abs(float(row["frame"]) - frame) <= 3
    return (float(row["frame"]), float(row[column])) if near else (frame, size)


def _diameter(area: float) -> float:
    return float(np.sqrt(4 * area / np.pi))


def _dots(ends: list[tuple[tuple[float, float], ...]], axis: TimeAxis) -> dict[str, Any]:
    points = np.array([(*pair, (np.nan, np.nan)) for pair in ends]).reshape(-1, 2)
    trace = {
        "type": "scatter",
        "mode": "lines",
        "x": axis.at(points[:, 0]),
        "y": points[:, 1],
        "line": {"color": VERMILION, "width": 1.5, "dash": "dot"},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    return dict(plain(trace, 4))


def _symbols(
    events: pd.DataFrame,
    places: list[tuple[float, float]],
    name: str,
    symbol: str,
    unit: str,
    axis: TimeAxis,
) -> dict[str, Any]:
    frames, sizes = np.array(places).T
    before, after = (
        events[[f"area_{when}_{i}_{unit}2" for i in (1, 2)]].sum(axis=1).to_numpy(dtype=float)
        for when in ("before", "after")
    )
    tracks = [
        " and ".join(str(number) for number in row if not pd.isna(number))
        for row in events[["track_before_1", "track_before_2", "track_after_1", "track_after_2"]].apply(
            lambda row: pd.unique(row.dropna()), axis=1
        )
    ]
    chance = events["confidence"].to_numpy(dtype=float)
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": axis.at(frames),
        "y": sizes,
        "text": tracks,
        "customdata": np.stack([before, after, chance], axis=1),
        "marker": {
            "color": VERMILION,
            "symbol": symbol,
            "size": 9,
            "opacity": np.clip(chance, 0.3, 1),
            "line": {"width": 1, "color": VERMILION},
        },
        "hovertemplate": f"{name} of tracks %{{text}}<br>{axis.hover}: area %{{customdata[0]:.3~g}} → "
        f"%{{customdata[1]:.3~g}} {unit}², confidence %{{customdata[2]:.2f}}<extra></extra>",
    }
    return dict(plain(trace, 4))


def _rates(tracks: Table, unit: str) -> tuple[Figure, ...]:
    """Return growth rate against size at the begin; none where no track is long enough."""
    data = tracks.data
    column = next(str(name) for name in data if str(name).startswith(f"growth_rate_{unit}_per_"))
    per = next(described.unit for described in tracks.columns if described.name == column)
    known = data.dropna(subset=[column, f"begin_diameter_{unit}"])
    if known.empty:
        return ()
    rates = known[column].to_numpy(dtype=float)
    low, high = (
        known[column.replace("rate_", f"rate_{end}_")].to_numpy(dtype=float) for end in ("low", "high")
    )
    sure = int(((low > 0) | (high < 0)).sum())
    bars = {"type": "data", "symmetric": False, "array": high - rates, "arrayminus": rates - low}
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": known[f"begin_diameter_{unit}"].to_numpy(dtype=float),
        "y": rates,
        "customdata": np.stack([known["track_id"].to_numpy(dtype=float), low, high], axis=1),
        "marker": {"color": BLUE, "size": 6, "opacity": 0.8 if len(known) <= 60 else 0.5},
        "error_y": bars | {"visible": len(known) <= MOST_BARS, "color": GREY, "thickness": 1, "width": 0},
        "hovertemplate": f"track %{{customdata[0]}}, %{{x:.3~g}} {unit}: %{{y:.2~g}} {per} "
        "(%{customdata[1]:.2~g} to %{customdata[2]:.2~g})<extra></extra>",
    }
    drawn = (
        "bars are 90 % intervals" if len(known) <= MOST_BARS else "intervals show where a point is touched"
    )
    figure = Figure(
        group=GROUP,
        title=f"Growth rate: median {plain_text(float(np.median(rates)), 2)} {per}",
        caption="Slope of a straight line through the diameters of each track of 5 frames or more, against "
        f"its size at the begin; {drawn}. {number_text(sure, 0)} of {number_text(len(known), 0)} differ from "
        "zero. Small particles that shrink while large ones grow are ripening.",
        data=(plain(trace, 4),),
        layout=layout(
            f"equivalent diameter at the begin ({unit})",
            f"growth rate ({per})",
            yaxis={"rangemode": "normal", "zeroline": True, "zerolinewidth": 2},
        ),
    )
    return (figure,)


def _fates(tracks: pd.DataFrame) -> tuple[Figure, ...]:
    """Return how many tracks began and ended how, less those of a frame or two."""
    long = tracks[tracks["frames_seen"] >= SHORTEST]
    if long.empty:
        return ()
    traces = []
    for name, colour in (("began", BLUE), ("ended", VERMILION)):
        count = long[name].value_counts()
        trace = {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "x": count.to_numpy(dtype=float),
            "y": [f"{name}: {how}" for how in count.index],
            "marker": {"color": colour},
            "hovertemplate": "%{y}: %{x} tracks<extra></extra>",
        }
        traces.append(plain(trace))
    figure = Figure(
        group=GROUP,
        title="How tracks begin and end",
        caption=f"Of {number_text(len(tracks), 0)} tracks the {number_text(len(long), 0)} of {SHORTEST} "
        "frames or more. Those that appear or vanish amid the movie and field are particles that form or "
        "dissolve, or that the segmentation missed for longer than a gap may last.",
        data=tuple(traces),
        layout=layout("tracks", "", showlegend=False, yaxis={"autorange": "reversed"}),
    )
    return (figure,)
