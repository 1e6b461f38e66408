"""columns.csv and lattice.csv: what their columns mean, and how a `ColumnTable` is put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.records import Column, ColumnTable, FrameTable

LengthUnit = Literal["angstrom", "px"]

_INTEGERS = ("frame", "column_id", "track_id", "depth", "depth_low", "depth_high")


def unit_of(pixel_size: float | None) -> LengthUnit:
    """Return the unit that a frame's lengths are measured in: "px" where its pixel size is unknown."""
    return "px" if pixel_size is None else "angstrom"


def symbol_of(unit: LengthUnit) -> str:
    """Return how a unit is written: Å or px."""
    return "px" if unit == "px" else "Å"


def column_columns(unit: LengthUnit) -> tuple[Column, ...]:
    """Return the columns of columns.csv in order, with lengths in ``unit``."""
    sign = symbol_of(unit)
    return (
        Column(name="frame", unit="", meaning="index of the frame in the series, from 0"),
        Column(name="column_id", unit="", meaning="number of the atomic column in its frame, from 1"),
        Column(
            name="track_id",
            unit="",
            meaning="number of the lattice site that the column occupies, the same in all frames; "
            "empty where frames were not linked",
        ),
        Column(
            name=f"y_{unit}",
            unit=sign,
            meaning="position down, from the centre of the first pixel of the frame as it was given",
        ),
        Column(
            name=f"x_{unit}",
            unit=sign,
            meaning="position to the right, from the centre of the first pixel of the frame as it was given",
        ),
        Column(
            name="depth",
            unit="atoms",
            meaning="most probable number of atoms in the column along the beam; empty where it was not read",
        ),
        Column(name="depth_mean", unit="atoms", meaning="mean of the probabilities of the depths"),
        Column(
            name="depth_low",
            unit="atoms",
            meaning="lower end of the 90 % interval: the narrowest range of depths that holds 90 % of the "
            "probability; of a network, as much of it as training showed that 90 % of the true depths need",
        ),
        Column(name="depth_high", unit="atoms", meaning="upper end of that range"),
        Column(
            name="confidence",
            unit="",
            meaning="where depths are read: probability that a column of just this depth is here; else: "
            "probability that noise alone shows no such peak anywhere in the frame or beside sure columns, "
            "or, on the lattice they go on, the share of columns among maxima as high",
        ),
    )


def lattice_columns(unit: LengthUnit) -> tuple[Column, ...]:
    """Return the columns of lattice.csv in order, with lengths in ``unit``: one row a frame."""
    vectors = (
        ("a", unit, symbol_of(unit), "shorter period of the image (reduced cell, a <= b)"),
        ("b", unit, symbol_of(unit), "longer period of the image (reduced cell)"),
        ("gamma", "degree", "°", "angle between the periods, the obtuse one: 90° to 120°"),
    )
    limits = "end of its 90 % interval: scatter of the columns, not the calibration, drift or scan distortion"
    described = [Column(name="frame", unit="", meaning="index of the frame in the series, from 0")]
    for name, suffix, sign, meaning in vectors:
        described += [
            Column(
                name=f"{name}_{suffix}", unit=sign, meaning=meaning + "; empty where no lattice was found"
            ),
            Column(name=f"{name}_low_{suffix}", unit=sign, meaning=f"{name}: lower {limits}"),
            Column(name=f"{name}_high_{suffix}", unit=sign, meaning=f"{name}: upper {limits}"),
        ]
    described.append(
        Column(name="n_columns", unit="", meaning="atomic columns that the lattice was fitted to")
    )
    return tuple(described)


def frame_columns() -> tuple[Column, ...]:
    """Return the columns of frames.csv in order."""
    return (
        Column(name="frame", unit="", meaning="index of the frame in the series, from 0"),
        Column(
            name="dose_e_per_angstrom2",
            unit="e/Å²",
            meaning="that the probabilities were calibrated for: the file's, or that whose shot noise is the "
            "noise of the frame; of HAADF the electrons that were counted where the specimen is, told from "
            "the noise; empty where it cannot be told",
        ),
        Column(
            name="familiarity",
            unit="",
            meaning="chance that a frame of the network's training is at least as unusual as this one; below "
            "0.01 the readings are not to be trusted; empty where it cannot be told",
        ),
        Column(name="flagged", unit="", meaning="whether any warning was given of this frame"),
        Column(name="warnings", unit="", meaning="in what the frame is unlike those of the training"),
    )


def frame_table(
    frame: int, *, dose: float | None, chance: float | None, warnings: Sequence[str]
) -> FrameTable:
    """Return the table of what is known of one frame as a whole.

    Parameters
    ----------
    frame
        Index of the frame.
    dose
        [e/Å²] that the probabilities were calibrated for.
    chance
        That a frame of the training is as unusual.
    warnings
        In what it is unlike those.
    """
    numbers = {"dose_e_per_angstrom2": dose, "familiarity": chance}
    data: dict[str, Any] = {
        "frame": pd.Series([frame], dtype="Int64"),
        **{name: pd.Series([np.nan if v is None else v], dtype="float64") for name, v in numbers.items()},
        "flagged": pd.Series([bool(warnings)]),
        "warnings": pd.Series(["; ".join(warnings)], dtype="str"),
    }
    return FrameTable(data=pd.DataFrame(data), columns=frame_columns())


def column_table(
    positions: Float[np.ndarray, "n 2"],
    *,
    frame: int,
    pixel_size: float | None,
    values: Mapping[str, np.ndarray],
) -> ColumnTable:
    """Return the table of one frame.

    Parameters
    ----------
    positions
        (n, 2) as (y, x) in px of the frame as it was given.
    frame
        Index of the frame.
    pixel_size
        Å per px, None where lengths stay in px.
    values
        Any of track_id, depth, depth_mean, depth_low, depth_high, confidence, each (n,); what is missing
        is empty in the table.
    """
    unit = unit_of(pixel_size)
    columns = column_columns(unit)
    scaled = np.asarray(positions, float).reshape(-1, 2) * (pixel_size or 1.0)
    n = len(scaled)
    known = {
        "frame": np.full(n, frame),
        "column_id": np.arange(1, n + 1),
        f"y_{unit}": scaled[:, 0],
        f"x_{unit}": scaled[:, 1],
        **values,
    }
    data = {column.name: _filled(known.get(column.name), column.name, n) for column in columns}
    return ColumnTable(data=pd.DataFrame(data), columns=columns)


def positions_of(table: ColumnTable) -> tuple[Float[np.ndarray, "n 2"], LengthUnit]:
    """Return the positions (n, 2) as (y, x) and the unit that the table has them in."""
    unit: LengthUnit = "px" if "y_px" in table.data else "angstrom"
    return table.data[[f"y_{unit}", f"x_{unit}"]].to_numpy(float).reshape(-1, 2), unit


def _filled(values: np.ndarray | None, name: str, n: int) -> pd.Series:
    """Return a column of the table; integers that may be unknown are pandas' Int64, written as empty."""
    kind = "Int64" if name in _INTEGERS else "float64"
    return pd.Series(np.full(n, np.nan) if values is None else values, dtype=kind)
