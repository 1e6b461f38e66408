"""The truth of a population as a table: one row a particle and image."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nanonet.records import Column, Table
from simulate.fields.field import FieldTruth
from simulate.fields.particle import Outline
from simulate.population.recipe import state_of

TOUCH = 2
"""Pixels between two particles that touch, at most."""
ROTATION = tuple(f"r{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3))

COLUMNS = (
    Column(name="image", unit="", meaning="file of the image"),
    Column(name="particle_id", unit="", meaning="value of its pixels in labels/"),
    Column(name="kind", unit="", meaning="what it is one of"),
    Column(name="state", unit="", meaning="whole, broken (cut by a plane) or fused (two of the kind)"),
    Column(name="material", unit="", meaning="crystal"),
    Column(name="diameter_nm", unit="nm", meaning="size that its shape was asked for, of the whole one"),
    Column(name="etching", unit="", meaning="mean depth of the faces of a star, 1 is the centre; else empty"),
    Column(name="volume_nm3", unit="nm3", meaning="of the particle"),
    Column(name="y_nm", unit="nm", meaning="origin of its volume, from the centre of the first pixel, down"),
    Column(name="x_nm", unit="nm", meaning="the same, to the right"),
    Column(name="z_nm", unit="nm", meaning="its height above the film, negative towards the source"),
    Column(name="centroid_y_nm", unit="nm", meaning="middle of its projected area"),
    Column(name="centroid_x_nm", unit="nm", meaning="middle of its projected area"),
    Column(
        name="area_nm2",
        unit="nm2",
        meaning="projected area where it is 1 nm thick or more, hidden parts included",
    ),
    Column(name="touches_border", unit="", meaning="the frame cuts it"),
    Column(name="neighbours", unit="", meaning="ids of those that touch it or lie over or under it"),
    Column(name="overlapped", unit="", meaning="share of its area that others lie over or under"),
    *(
        Column(name=name, unit="", meaning="rotation that acts on column vectors (x, y, z) of its volume")
        for name in ROTATION
    ),
)


class TruthTable(Table):
    """truth.csv: what is true of each particle."""

    stem = "truth"


def truth_table(truth: FieldTruth, image: str) -> TruthTable:
    """Return one row for each particle of an image; ``image`` is the name of its file."""
    particles, pixel = truth.field.particles, truth.field.pixel_size
    around = neighbours(truth)
    rows = pd.DataFrame(
        {
            "image": image,
            "particle_id": np.arange(1, len(particles) + 1),
            "kind": [p.shape for p in particles],
            "state": [state_of(p.solid) for p in particles],
            "material": [p.crystal.name for p in particles],
            "diameter_nm": [p.diameter / 10 for p in particles],
            "etching": pd.Series([p.solid.about.get("etching") for p in particles], dtype=float),
            "volume_nm3": [float(o.total.sum()) * pixel**2 / 1e3 for o in truth.outlines],
            "y_nm": [p.position[0] / 10 for p in particles],
            "x_nm": [p.position[1] / 10 for p in particles],
            "z_nm": [p.height / 10 for p in particles],
            "centroid_y_nm": truth.positions[:, 0] / 10,
            "centroid_x_nm": truth.positions[:, 1] / 10,
            "area_nm2": truth.areas / 100,
            "touches_border": truth.touches_border,
            "neighbours": [" ".join(map(str, near)) for near in around],
            "overlapped": truth.overlapped,
        }
    )
    rotations = np.array([p.rotation.ravel() for p in particles]).reshape(-1, 9)
    rows[list(ROTATION)] = rotations
    return TruthTable(data=rows, columns=COLUMNS)


def neighbours(truth: FieldTruth) -> list[list[int]]:
    """Return of each particle the ids of those at most `TOUCH` pixels from it in projection."""
    from scipy.ndimage import binary_dilation

    found: list[list[int]] = [[] for _ in truth.outlines]
    for i, one in enumerate(truth.outlines):
        wide = binary_dilation(np.pad(one.mask, TOUCH), iterations=TOUCH)
        corner = (one.corner[0] - TOUCH, one.corner[1] - TOUCH)
        for j, other in enumerate(truth.outlines[:i]):
            if _meet(corner, wide, other):
                found[i].append(j + 1)
                found[j].append(i + 1)
    return found


def _meet(corner: tuple[int, int], mask: np.ndarray, other: Outline) -> bool:
    low = np.maximum(corner, other.corner)
    high = np.minimum(np.add(corner, mask.shape), np.add(other.corner, other.mask.shape))
    if (high <= low).any():
        return False
    own, theirs = (
        m[tuple(slice(a - c, b - c) for a, b, c in zip(low, high, first, strict=True))]
        for m, first in ((mask, corner), (other.mask, other.corner))
    )
    return bool((own & theirs).any())
