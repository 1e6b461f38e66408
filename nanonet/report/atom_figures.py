"""Figures of an atomic model: turnable atoms by any statistic, coordination numbers, sections of the map."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from nanonet.records import AtomTable, Volume
from nanonet.report.charts import BLUE, VERMILION, bars, layout, plain
from nanonet.report.content import Figure

GROUP = "Atoms"
_SHOWN = {
    "coordination_number": "coordination number",
    "generalized_coordination_number": "generalised CN",
    "probability": "probability",
    "u_iso_angstrom2": "U (Å²)",
    "degree_of_isotropy": "degree of isotropy",
    "max_intensity_z_score": "intensity (z)",
    "validation_correlation": "validation correlation",
    "radial_strain": "radial strain",
    "bulk_radial_strain": "radial strain to bulk",
}
_MOST = 8_000
"""Atoms that a page can turn."""
_SLICE = 0.8
"""Å on either side of a section from which atoms are drawn."""
_WIDEST = 160
"""Pixels of a section along an edge."""


def atom_figures(table: AtomTable, volume: Volume, bulk: int) -> tuple[Figure, ...]:
    """Return the figures of a model; ``bulk`` is the coordination number inside the crystal."""
    if not len(table):
        return ()
    return (
        model_figure(table),
        *section_figures(table, volume),
        coordination_figure(table, bulk),
        depth_figure(table),
    )


def model_figure(table: AtomTable) -> Figure:
    """Return the atoms, which the reader can turn and colour by any statistic."""
    data = table.data
    few = data.iloc[np.linspace(0, len(data) - 1, min(len(data), _MOST)).round().astype(int)]
    known = {name: text for name, text in _SHOWN.items() if few[name].notna().any()}
    first = next(iter(known))
    trace = {
        "type": "scatter3d",
        "mode": "markers",
        **{axis: few[f"{axis}_angstrom"].to_numpy() / 10 for axis in "xyz"},
        "marker": {
            "size": 6,
            "color": few[first].to_numpy(dtype=float),
            "colorscale": "Cividis",
            "colorbar": {"title": {"text": known[first], "side": "right"}, "thickness": 12},
            "line": {"width": 0.5, "color": "rgba(0,0,0,0.4)"},
        },
        "hovertemplate": "%{marker.color:.3g}<extra></extra>",
    }
    buttons = [
        {
            "label": text,
            "method": "restyle",
            "args": [
                {
                    "marker.color": [few[name].to_numpy(dtype=float)],
                    "marker.colorbar.title.text": [text],
                    **{
                        f"marker.c{end}": [edge]
                        for end, edge in zip(("min", "max"), _ends(few[name]), strict=True)
                    },
                }
            ],
        }
        for name, text in known.items()
    ]
    axes = {
        f"{axis}axis": {"title": {"text": f"{axis} (nm)"}, "gridcolor": "rgba(128,128,128,0.3)"}
        for axis in "xyz"
    }
    menu = {"buttons": buttons, "x": 0, "y": 1.0, "xanchor": "left", "yanchor": "top", "showactive": True}
    return Figure(
        group=GROUP,
        tall=True,
        wide=True,
        title=f"{len(data)} atoms",
        caption="Drag to turn; the menu colours the atoms by another statistic."
        + ("" if len(few) == len(data) else f" {len(few)} of them are shown."),
        data=(plain(trace, 4),),
        layout=layout("", "", scene={"aspectmode": "data", **axes}, updatemenus=plain([menu], 4)),
    )


def _ends(values: pd.Series) -> tuple[float, float]:
    """Return the range of colours: the middle 96 %, so that a few odd atoms do not hide the rest."""
    low, high = np.nanquantile(values.to_numpy(dtype=float), [0.02, 0.98])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(high) + 0.5)


def section_figures(table: AtomTable, volume: Volume) -> Iterator[Figure]:
    """Yield sections of the map through the middle of the particle, with the atoms that lie in them."""
    places = table.data[["x_angstrom", "y_angstrom", "z_angstrom"]].to_numpy()
    for axis, (across, up) in zip("zy", (("x", "y"), ("x", "z")), strict=True):
        yield _section(places, volume, axis, across, up)


def _section(places: np.ndarray, volume: Volume, axis: str, across: str, up: str) -> Figure:
    at = "xyz".index(axis)
    size, voxel = volume.density.shape[2 - at], volume.voxel_size
    # The plane of the most atoms, near the middle: between two planes a section would show none.
    middle = float(np.median(places[:, at]))
    tried = middle + np.linspace(-1.5, 1.5, 31)
    level = float(tried[np.argmax([(np.abs(places[:, at] - t) < _SLICE / 2).sum() for t in tried])])
    index = int(np.clip(round(level / voxel), 0, size - 1))
    section = np.take(volume.density, index, axis=2 - at)
    step = max(1, -(-max(section.shape) // _WIDEST))
    section = section[::step, ::step]
    low, high = np.percentile(section, [1, 99.8])
    rows, columns = (np.arange(n) * step * voxel / 10 for n in section.shape)
    inside = np.abs(places[:, at] - index * voxel) < _SLICE
    return Figure(
        group=GROUP,
        title=f"Section of the map at {axis} = {index * voxel / 10:.2f} nm",
        caption=f"With the atoms within {_SLICE} Å of it.",
        data=(
            plain(
                {
                    "type": "heatmap",
                    "z": np.clip(section, low, high),
                    "x": columns,
                    "y": rows,
                    "colorscale": "Greys",
                    "reversescale": True,
                    "showscale": False,
                    "hoverinfo": "skip",
                },
                3,
            ),
            plain(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": places[inside, "xyz".index(across)] / 10,
                    "y": places[inside, "xyz".index(up)] / 10,
                    "marker": {"symbol": "circle-open", "size": 9, "color": VERMILION},
                    "hoverinfo": "skip",
                },
                4,
            ),
        ),
        layout=layout(
            f"{across} (nm)",
            f"{up} (nm)",
            yaxis={"scaleanchor": "x", "rangemode": "normal", "autorange": "reversed"},
        ),
    )


def coordination_figure(table: AtomTable, bulk: int) -> Figure:
    """Return how many atoms have how many neighbours."""
    number = table.data["coordination_number"].to_numpy()
    counts = np.bincount(number, minlength=bulk + 1)
    return Figure(
        group=GROUP,
        title="Coordination numbers",
        caption=f"Atoms by their number of neighbours; inside the crystal it is {bulk}.",
        data=(bars(np.arange(len(counts)), counts, width=0.9, hover="%{y} atoms of %{x} neighbours"),),
        layout=layout("coordination number", "atoms"),
    )


def depth_figure(table: AtomTable) -> Figure:
    """Return U of the atoms against their distance from the middle."""
    data = table.data.iloc[np.linspace(0, len(table) - 1, min(len(table), _MOST)).round().astype(int)]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": data["radius_angstrom"].to_numpy() / 10,
        "y": data["u_iso_angstrom2"].to_numpy(),
        "marker": {"size": 5, "color": BLUE, "opacity": 0.5},
        "hovertemplate": "%{y:.3f} Å²<extra></extra>",
    }
    return Figure(
        group=GROUP,
        title="U from the middle to the surface",
        caption="Variance of each atom's image along any direction, fitted.",
        data=(plain(trace, 4),),
        layout=layout("distance from the middle (nm)", "U (Å²)"),
    )
