"""What each column of particles.csv means, and how it is obtained: the one place that says so."""

from __future__ import annotations

from typing import Literal

from nanonet.records import Column, InputError, ParticleTable

LengthUnit = Literal["nm", "px"]

_OUTLINE = "outline: polygon through the middles of the outer pixel edges, each point the mean of 3 in a row"

_NAMED = (
    ("image", "", "file name of the image or movie"),
    ("frame", "", "index of the frame in its series, from 0"),
    ("particle_id", "", "number of the particle in its frame, from 1; its value in labels.tif"),
    ("track_id", "", "number of the particle through time, from 1; empty where frames are not linked"),
    ("y_{u}", "{u}", "centroid, down from the centre of the first pixel of the frame"),
    ("x_{u}", "{u}", "centroid, to the right of the centre of the first pixel of the frame"),
    ("area_{u}2", "{u}²", "number of pixels times the area of a pixel, holes left out"),
    ("equivalent_diameter_{u}", "{u}", "diameter of the disc of the same area"),
    ("feret_min_{u}", "{u}", "least distance of two parallel lines that touch the outline on both sides"),
    ("feret_max_{u}", "{u}", "longest distance of two points of the outline"),
    ("perimeter_{u}", "{u}", f"length of the outer outline ({_OUTLINE})"),
    ("circularity", "", "4π area / perimeter²; 1 for a disc, at most 1"),
    ("convexity", "", "perimeter of the convex hull of the outline / perimeter; at most 1"),
    ("solidity", "", "area / area of the convex hull of the outline; at most 1"),
    ("major_axis_{u}", "{u}", "long axis of the ellipse of the same second moments"),
    ("minor_axis_{u}", "{u}", "short axis of the ellipse of the same second moments"),
    ("eccentricity", "", "of the ellipse of the same second moments: 0 for a circle, below 1"),
    ("max_intensity", "as in the file", "highest value inside; no background is subtracted"),
    ("total_intensity", "as in the file", "sum of the values inside; no background is subtracted"),
    ("separated", "", "whether it was cut from a touching neighbour"),
    ("touches_border", "", "whether it touches the edge of the frame; its sizes are then too small"),
    (
        "confidence",
        "0 to 1",
        "how far it is to be believed: of a network, the overlap (intersection over union) with a true "
        "particle that is to be expected of what looks like this; empty where the segmentation gives none",
    ),
    ("class_id", "", "class of like particles, from 1; empty where particles are not clustered"),
)


def particle_columns(unit: LengthUnit) -> tuple[Column, ...]:
    """Return the columns of particles.csv in order, with lengths in ``unit``."""
    return tuple(
        Column(name=name.format(u=unit), unit=of.format(u=unit), meaning=meaning)
        for name, of, meaning in _NAMED
    )


def length_unit(table: ParticleTable) -> LengthUnit:
    """Return whether a table gives lengths in nm or in pixels.

    Raises
    ------
    InputError
        If it gives them in neither, or in both.
    """
    units: tuple[LengthUnit, ...] = ("nm", "px")
    found = [unit for unit in units if f"x_{unit}" in table.data.columns]
    if len(found) != 1:
        raise InputError(f"a particle table needs either x_nm or x_px, got {list(table.data.columns)}")
    return found[0]
