"""Sections of a map as pictures, with the atoms that lie in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from nanonet.records import AtomTable, Volume
from nanonet.report.charts import VERMILION, plain
from nanonet.report.content import Figure
from nanonet.report.population_figures import picture_layout

_SECTIONS = 4
_AROUND = 3.0
"""Å of the map that are shown about the atoms."""
_SLICE = 0.8
"""Å on either side of a section from which atoms are drawn."""
_WIDTH = 320
"""Pixels of a section along each edge."""
_GAP = 8


def section_figures(table: AtomTable, volume: Volume, group: str) -> Iterator[Figure]:
    """Yield rows of sections of the map, across z and across y, with circles about the atoms in them."""
    places = table.data[["x_angstrom", "y_angstrom", "z_angstrom"]].to_numpy()
    for across in (2, 1):
        yield _row(places, volume, across, group)


def _row(places: Float[np.ndarray, "n 3"], volume: Volume, across: int, group: str) -> Figure:
    low, high = np.percentile(volume.density, [2.0, 99.9])
    aside = [axis for axis in range(3) if axis != across]
    middle = (places.max(0) + places.min(0))[aside] / 2
    half = float(np.ptp(places, axis=0)[aside].max() / 2 + _AROUND)
    levels = np.quantile(places[:, across], (np.arange(_SECTIONS) + 0.5) / _SECTIONS)
    tiles, circles, names = [], [], []
    for number, level in enumerate(levels):
        index = int(np.clip(round(level / volume.voxel_size), 0, volume.density.shape[2 - across] - 1))
        section = np.take(volume.density, index, axis=2 - across)
        tiles.append(
            _tile((section - low) / (high - low), middle / volume.voxel_size, half / volume.voxel_size)
        )
        near = np.abs(places[:, across] - index * volume.voxel_size) < _SLICE
        inside = (places[near][:, aside] - middle + half) / (2 * half) * _WIDTH
        circles.append(inside + np.array([number * (_WIDTH + _GAP), 0]))
        names.append(f"{'xyz'[across]} = {index * volume.voxel_size / 10:.2f} nm")
    gap = np.full((_WIDTH, _GAP), 255, np.uint8)
    sheet = np.hstack([part for tile in tiles for part in (tile, gap)][:-1])
    x, y = np.concatenate(circles).T
    rings = {"symbol": "circle-open", "size": 9, "color": VERMILION, "line": {"width": 1.5}}
    return Figure(
        group=group,
        wide=True,
        title=f"Sections across {'xyz'[across]}",
        caption=f"The map, each section {2 * half / 10:.3g} nm wide, {'xyz'[aside[0]]} to the right and "
        f"{'xyz'[aside[1]]} down; circles: atoms within {_SLICE} Å of it. Circles without a spot, and spots "
        "without a circle, are what to look for.",
        data=(
            plain(
                {"type": "scatter", "mode": "markers", "x": x, "y": y, "marker": rings, "hoverinfo": "skip"},
                4,
            ),
        ),
        layout=picture_layout(sheet) | {"annotations": [_name(text, n) for n, text in enumerate(names)]},
    )


def _tile(section: Float[np.ndarray, "v u"], middle: Float[np.ndarray, " 2"], half: float) -> np.ndarray:
    """Return the square about ``middle`` (u, v), ``half`` to each side [pixels], as grey values."""
    from PIL import Image

    left, top = middle - half + 0.5
    grey = Image.fromarray((np.clip(section, 0, 1) * 255).astype(np.uint8))
    box = (left, top, left + 2 * half, top + 2 * half)
    side = (_WIDTH, _WIDTH)
    return np.asarray(grey.transform(side, Image.Transform.EXTENT, box, Image.Resampling.BILINEAR))


def _name(text: str, number: int) -> dict[str, Any]:
    return {
        "text": text,
        "x": number * (_WIDTH + _GAP) + 6,
        "y": 6,
        "xanchor": "left",
        "yanchor": "top",
        "showarrow": False,
        "font": {"color": "#FFFFFF"},
        "bgcolor": "rgba(0,0,0,0.5)",
    }
