"""What an image holds as a whole: how many particles, how much of it they cover, what stayed unresolved."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nanonet.measure.columns import LengthUnit
from nanonet.records import Column, ImageTable, LabelMap, Micrograph, ParticleTable

_NAMED = (
    ("image", "", "file name of the image or movie"),
    ("frame", "", "index of the frame in its series, from 0"),
    ("particles", "", "number of particles, those that touch the border too"),
    ("touching_border", "", "number of them that touch the edge of the frame"),
    ("height_{u}", "{u}", "length of the frame down"),
    ("width_{u}", "{u}", "length of the frame to the right"),
    ("covered", "0 to 1", "share of the frame in single particles"),
    (
        "unresolved",
        "0 to 1",
        "share of the frame in overlapping particles that could not be told apart, dropped or kept; empty "
        "where the segmentation does not tell",
    ),
    ("note", "", "how settings were chosen where the image decides them"),
)


def image_columns(unit: LengthUnit) -> tuple[Column, ...]:
    """Return the columns of images.csv in order, with lengths in ``unit``."""
    return tuple(
        Column(name=name.format(u=unit), unit=of.format(u=unit), meaning=meaning)
        for name, of, meaning in _NAMED
    )


def describe(micrograph: Micrograph, label_map: LabelMap, particles: ParticleTable) -> ImageTable:
    """Return the one row of a frame, given the table of its particles."""
    unit: LengthUnit = "px" if micrograph.pixel_size is None else "nm"
    pixel = 1.0 if micrograph.pixel_size is None else micrograph.pixel_size / 10.0
    height, width = micrograph.image.shape
    single = particles.data[particles.data["confidence"] != 0]
    row = {
        "image": micrograph.name,
        "frame": micrograph.frame,
        "particles": len(particles),
        "touching_border": int(particles.data["touches_border"].sum()),
        f"height_{unit}": height * pixel,
        f"width_{unit}": width * pixel,
        "covered": float(single[f"area_{unit}2"].sum()) / (height * width * pixel**2),
        "unresolved": np.nan if label_map.unresolved is None else label_map.unresolved,
        "note": label_map.note,
    }
    return ImageTable(data=pd.DataFrame([row]), columns=image_columns(unit))
