"""The tables of a movie: what their columns mean, and how the network's probabilities enter."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from nanonet.atomic_columns.table import LengthUnit, symbol_of, unit_of
from nanonet.records import Column, Table

_FRAME = Column(name="frame", unit="", meaning="index of the frame in the series, from 0")
_TRACK = Column(name="track_id", unit="", meaning="number of the lattice site, as in columns.csv")


class DepthTable(Table):
    """depth_probabilities.csv: the probability of each depth of each candidate in each frame."""

    stem = "depth_probabilities"


class SiteTable(Table):
    """sites.csv: the depth of each lattice site in each frame, from all frames together."""

    stem = "sites"


class EventTable(Table):
    """events.csv: every change of a column's depth, with its time and probability."""

    stem = "events"


class LayerTable(Table):
    """layers.csv: how full columns are, and how often they change, against distance from the surface."""

    stem = "layers"


class MigrationTable(Table):
    """migration.csv: where atoms come and go, and what neighbouring columns exchange."""

    stem = "migration"


def depth_columns(depths: int, unit: LengthUnit) -> tuple[Column, ...]:
    """Return the columns of depth_probabilities.csv for depths 0 to ``depths``."""
    identity = Column(
        name="column_id",
        unit="",
        meaning="number of the column in columns.csv; empty where it was too improbable to be listed there",
    )
    chance = (
        Column(
            name=f"p_{depth}",
            unit="",
            meaning="probability that there is no column" if depth == 0 else f"that it is {depth} atoms deep",
        )
        for depth in range(depths + 1)
    )
    return (_FRAME, identity, *_position(unit), *chance)


def depth_table(
    positions: Float[np.ndarray, "n 2"],
    *,
    presence: Float[np.ndarray, " n"],
    posterior: Float[np.ndarray, "n depth"],
    column_id: Int[np.ndarray, " n"],
    frame: int,
    pixel_size: float | None,
) -> DepthTable:
    """Return the candidates of one frame, down to improbable ones.

    Parameters
    ----------
    positions
        (n, 2) as (y, x) in px of the frame as it was given.
    presence
        (n,) probability that there is a column.
    posterior
        (n, D) probability of each depth 1..D, given that there is one.
    column_id
        (n,) number in the `ColumnTable` of the frame; 0 for those that are not in it.
    frame
        Index of the frame.
    pixel_size
        Å per px, None where lengths stay in px.
    """
    unit = unit_of(pixel_size)
    scaled = positions * (pixel_size or 1.0)
    chances = np.concatenate([1.0 - presence[:, None], presence[:, None] * posterior], axis=1)
    number = pd.array(column_id, dtype="Int64")
    number[np.asarray(column_id) == 0] = pd.NA
    data = pd.DataFrame(
        {"frame": pd.array(np.full(len(positions), frame), dtype="Int64"), "column_id": number}
    )
    data[[f"y_{unit}", f"x_{unit}"]] = scaled
    probabilities = pd.DataFrame(
        chances.astype(np.float32), columns=[f"p_{depth}" for depth in range(chances.shape[1])]
    )
    return DepthTable(
        data=pd.concat([data, probabilities], axis=1), columns=depth_columns(posterior.shape[1], unit)
    )


def probabilities_of(table: DepthTable) -> Float[np.ndarray, "n depth"]:
    """Return the probabilities (n, D + 1) of the depths 0..D."""
    names = [column.name for column in table.columns if column.name.startswith("p_")]
    return table.data[names].to_numpy(np.float32)


def site_columns(unit: LengthUnit) -> tuple[Column, ...]:
    """Return the columns of sites.csv."""
    return (
        _FRAME,
        _TRACK,
        *_position(unit, "of the site, moved with the drift of the frame"),
        Column(
            name="depth",
            unit="atoms",
            meaning="most probable number of atoms, from all frames; 0 where there is no column",
        ),
        Column(
            name="depth_mean", unit="atoms", meaning="mean of the probabilities of the depths, 0 included"
        ),
        Column(
            name="depth_low",
            unit="atoms",
            meaning="lower end of the narrowest range of depths that holds at least 90 % of the probability",
        ),
        Column(name="depth_high", unit="atoms", meaning="upper end of that range"),
        Column(name="confidence", unit="", meaning="probability of the depth that is given"),
        Column(name="occupancy", unit="", meaning="probability that there is a column"),
    )


def event_columns(unit: LengthUnit) -> tuple[Column, ...]:
    """Return the columns of events.csv."""
    return (
        _TRACK,
        Column(name="frame", unit="", meaning="first frame with the new depth: median of its distribution"),
        Column(name="frame_low", unit="", meaning="lower end of the 90 % interval of that frame"),
        Column(name="frame_high", unit="", meaning="upper end of it"),
        Column(
            name="kind",
            unit="",
            meaning="gained or lost: atoms of a column that stays; born or gone: a whole column",
        ),
        Column(name="depth_before", unit="atoms", meaning="depth before the event"),
        Column(name="depth_after", unit="atoms", meaning="depth after it"),
        Column(name="probability", unit="", meaning="lower bound of the probability of the change"),
        Column(
            name="false_alarms",
            unit="per 100 columns and 100 frames",
            meaning="events at least as probable that columns which do not change would show: frames of each "
            "column drawn again from a time in which it was steady",
        ),
        *_position(unit, "of the site, in the frame of the event"),
    )


def layer_columns(unit: LengthUnit) -> tuple[Column, ...]:
    """Return the columns of layers.csv: one row a layer, counted from the surface."""
    measured = (
        ("occupancy", "", "mean probability that there is a column"),
        ("depth", "atoms", "mean depth, empty sites included"),
        (
            "gains",
            "per column and frame",
            "expected changes to more atoms; too high where errors come and go like changes",
        ),
        ("losses", "per column and frame", "expected changes to fewer atoms, likewise"),
        ("events", "per column and frame", "changes that are listed in events.csv: a lower mark of both"),
    )
    described = [
        Column(
            name="layer",
            unit="",
            meaning="1 the outline of the sites that are filled more often than not, 2 the next within; "
            "0 the sites outside of it",
        ),
        Column(
            name=f"distance_{unit}",
            unit=symbol_of(unit),
            meaning="mean distance of the layer from the outline, negative outside",
        ),
        Column(name="n_sites", unit="", meaning="sites in the layer"),
    ]
    for name, sign, meaning in measured:
        described += [
            Column(name=name, unit=sign, meaning=meaning),
            Column(name=f"{name}_low", unit=sign, meaning="lower end of its 90 % interval, over sites"),
            Column(name=f"{name}_high", unit=sign, meaning="upper end of that interval"),
        ]
    return tuple(described)


def migration_columns(unit: LengthUnit) -> tuple[Column, ...]:
    """Return the columns of migration.csv: one row a site."""
    return (
        _TRACK,
        *_position(unit, "of the site in the first frame"),
        Column(name="layer", unit="", meaning="as in layers.csv"),
        Column(name="gains", unit="", meaning="expected changes to more atoms in the movie"),
        Column(name="losses", unit="", meaning="expected changes to fewer atoms in the movie"),
        Column(
            name="sent",
            unit="",
            meaning="losses here with a gain at a neighbour in the same or the next frame, less chance",
        ),
        Column(name="sent_error", unit="", meaning="standard error of that, by counting"),
        Column(
            name="received",
            unit="",
            meaning="gains here with a loss at a neighbour in the same or the frame before, less chance",
        ),
        Column(name="received_error", unit="", meaning="standard error of that"),
    )


def _position(unit: LengthUnit, of: str = "") -> tuple[Column, Column]:
    sign, end = symbol_of(unit), "from the centre of the first pixel of the frame as it was given"
    middle = f" {of}," if of else ","
    return (
        Column(name=f"y_{unit}", unit=sign, meaning=f"position down{middle} {end}"),
        Column(name=f"x_{unit}", unit=sign, meaning=f"position to the right{middle} {end}"),
    )
