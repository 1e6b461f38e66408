"""Size, shape and intensity of every particle of a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from nanonet.measure.columns import LengthUnit, particle_columns
from nanonet.outline import Shape, measure_outline
from nanonet.records import InputError, LabelMap, Micrograph, ParticleTable

_MOMENTS = ("label", "area", "centroid", "bbox", "axis_major_length", "axis_minor_length", "image")
_SQUARE_PIXEL = 16.0 / 12.0
"""Added to the square of an axis [px²]: scikit-image takes a pixel for a point, it is a square (var 1/12)."""

_DTYPES: dict[str, Any] = {
    "image": object,
    "frame": np.int64,
    "particle_id": np.int64,
    "track_id": "Int64",
    "separated": bool,
    "touches_border": bool,
    "class_id": "Int64",
}


def measure(micrograph: Micrograph, label_map: LabelMap) -> ParticleTable:
    """Return one row a particle; `nanonet.measure.columns` says what each column is.

    Lengths are in nm, or in pixels where the micrograph has no pixel size.

    Raises
    ------
    InputError
        If the labels are not of the image's shape, or are not 1..n with one ``separated`` and one
        ``confidence`` each.
    """
    unit: LengthUnit = "px" if micrograph.pixel_size is None else "nm"
    columns = particle_columns(unit)
    counts = _checked_counts(micrograph, label_map)
    rows: dict[str, Any] = {column.name: [] for column in columns}
    if len(counts):
        rows = _rows(micrograph, label_map, unit)
    data = pd.DataFrame({column.name: rows[column.name] for column in columns})
    dtypes = {column.name: _DTYPES.get(column.name, np.float64) for column in columns}
    return ParticleTable(data=data.astype(dtypes), columns=columns)


def _checked_counts(micrograph: Micrograph, label_map: LabelMap) -> Int[np.ndarray, " n"]:
    """Return the number of pixels of each particle."""
    labels, image = label_map.labels, micrograph.image
    if labels.shape != image.shape:
        raise InputError(
            f"labels must have the shape of the image {image.shape}, got {labels.shape} in {micrograph.name}"
        )
    if labels.size and labels.min() < 0:
        raise InputError(f"labels must not be negative, got {labels.min()} in {micrograph.name}")
    counts = np.bincount(labels.ravel())[1:]
    if not counts.all() or not len(counts) == len(label_map.separated) == len(label_map.confidence):
        raise InputError(
            f"labels must be 1..n without gaps, each with separated and confidence; got "
            f"{np.count_nonzero(counts)} labels up to {len(counts)}, {len(label_map.separated)} separated "
            f"and {len(label_map.confidence)} confidence in {micrograph.name}"
        )
    return counts


def _rows(micrograph: Micrograph, label_map: LabelMap, unit: LengthUnit) -> dict[str, Any]:
    from skimage.measure import regionprops_table

    found = regionprops_table(label_map.labels, properties=_MOMENTS)
    number = len(found["label"])
    pixel = 1.0 if micrograph.pixel_size is None else micrograph.pixel_size / 10.0
    highest, total = _intensities(micrograph.image, label_map.labels, number)
    major = np.sqrt(found["axis_major_length"] ** 2 + _SQUARE_PIXEL)
    minor = np.sqrt(found["axis_minor_length"] ** 2 + _SQUARE_PIXEL)
    return {
        "image": [micrograph.name] * number,
        "frame": [micrograph.frame] * number,
        "particle_id": found["label"],
        "track_id": [pd.NA] * number,
        f"y_{unit}": found["centroid-0"] * pixel,
        f"x_{unit}": found["centroid-1"] * pixel,
        f"major_axis_{unit}": major * pixel,
        f"minor_axis_{unit}": minor * pixel,
        "eccentricity": np.sqrt(1.0 - np.minimum(minor / major, 1.0) ** 2),
        "max_intensity": highest,
        "total_intensity": total,
        "separated": label_map.separated,
        "touches_border": _touches_border(found, label_map.labels.shape),
        "confidence": label_map.confidence,
        "class_id": [pd.NA] * number,
        **_sizes(found["area"], [measure_outline(image) for image in found["image"]], pixel, unit),
    }


def _sizes(
    area: Float[np.ndarray, " n"], shapes: list[Shape], pixel: float, unit: LengthUnit
) -> dict[str, Float[np.ndarray, " n"]]:
    """Return sizes and shape factors; what cannot exceed 1 is held to it, since pixels blur the outline."""
    perimeter, hull_perimeter, hull_area, feret_min, feret_max = np.array(
        [(s.perimeter, s.hull_perimeter, s.hull_area, s.feret_min, s.feret_max) for s in shapes]
    ).T
    return {
        f"area_{unit}2": area * pixel**2,
        f"equivalent_diameter_{unit}": np.sqrt(4.0 * area / np.pi) * pixel,
        f"feret_min_{unit}": feret_min * pixel,
        f"feret_max_{unit}": feret_max * pixel,
        f"perimeter_{unit}": perimeter * pixel,
        "circularity": np.minimum(4.0 * np.pi * area / perimeter**2, 1.0),
        "convexity": np.minimum(hull_perimeter / perimeter, 1.0),
        "solidity": np.minimum(area / hull_area, 1.0),
    }


def _intensities(
    image: Float[np.ndarray, "y x"], labels: Int[np.ndarray, "y x"], number: int
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return the highest value and the sum inside each particle, over the pixels that hold a number."""
    inside = (labels > 0) & np.isfinite(image)
    index, values = labels[inside] - 1, image[inside].astype(np.float64)
    highest = np.full(number, -np.inf)
    np.maximum.at(highest, index, values)
    highest[np.isinf(highest)] = np.nan
    return highest, np.bincount(index, weights=values, minlength=number)


def _touches_border(found: dict[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    at_start = (found["bbox-0"] == 0) | (found["bbox-1"] == 0)
    return np.asarray(at_start | (found["bbox-2"] == shape[0]) | (found["bbox-3"] == shape[1]))
