"""What classes.csv says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from nanonet.records import ClassTable, Column

CLASS_COLUMNS = (
    Column(name="image", unit="", meaning="file name of the image"),
    Column(name="frame", unit="", meaning="index of the image in its series, from 0"),
    Column(name="particle_id", unit="", meaning="number of the particle in its image, as in particles.csv"),
    Column(
        name="class_id",
        unit="",
        meaning="class of like particles that one map is made of, from 1; empty where it is left out",
    ),
    Column(
        name="probability",
        unit="0 to 1",
        meaning="chance that it is of its kind rather than of another, were features Gaussian; "
        "of one left out, that it belongs to the nearest kind after all",
    ),
    Column(
        name="kind_id", unit="", meaning="kind, from 1; large ones are split into several classes by mass"
    ),
    Column(name="stack_index", unit="", meaning="its place in particles.mrcs and orientations.star, from 1"),
    Column(name="correlation", unit="", meaning="of the particle with the projection of its class's map"),
    Column(
        name="control_correlation",
        unit="",
        meaning="the same with that map averaged over all rotations: what a ball would reach",
    ),
    Column(
        name="size_over_map", unit="", meaning="its length over that of the map, which it was fitted to with"
    ),
    Column(
        name="intensity_over_map", unit="", meaning="the sum of its image over that of the map's projection"
    ),
    Column(name="left_out", unit="", meaning="why it is in no class; empty where it is in one"),
)


def class_table(
    rows: pd.DataFrame,
    kinds: Int[np.ndarray, " n"],
    classes: Int[np.ndarray, " n"],
    probability: Float[np.ndarray, " n"],
    mixed: Bool[np.ndarray, " n"],
) -> ClassTable:
    """Return the table of all particles that were grouped.

    Parameters
    ----------
    rows
        Of particles.csv.
    kinds, classes
        From 0; -1 for none.
    mixed
        Who was found in a group that is no kind.
    """
    without = np.setdiff1d(kinds[kinds >= 0], kinds[classes >= 0])
    few = np.where(np.isin(kinds, without), "too few of its kind for a map", "unlike the maps")
    strange = np.where(mixed, "in a mixed group, whose members are not alike", "unlike all kinds")
    reason = np.where(kinds < 0, strange, np.where(classes < 0, few, ""))
    data = pd.DataFrame(
        {
            "image": rows["image"].to_numpy(),
            "frame": rows["frame"].to_numpy(),
            "particle_id": rows["particle_id"].to_numpy(),
            "class_id": _from_one(classes),
            "probability": probability,
            "kind_id": _from_one(kinds),
            "stack_index": np.arange(1, len(rows) + 1),
            "correlation": np.nan,
            "control_correlation": np.nan,
            "size_over_map": np.nan,
            "intensity_over_map": np.nan,
            "left_out": reason,
        }
    )
    return ClassTable(data=data, columns=CLASS_COLUMNS)


def _from_one(labels: Int[np.ndarray, " n"]) -> pd.Series[Any]:
    """Return numbers from 1; empty for none."""
    numbers = pd.Series(labels + 1, dtype="Int64")
    return numbers.mask(numbers == 0)
