"""Figures of an atomic model: turnable atoms by any statistic, coordination numbers, strain, U."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nanonet.records import AtomTable, Volume
from nanonet.report.charts import BLUE, bars, layout, plain, thinned
from nanonet.report.content import Figure
from nanonet.report.section_figures import section_figures

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


def atom_figures(table: AtomTable, volume: Volume, bulk: int) -> tuple[Figure, ...]:
    """Return the figures of a model; ``bulk`` is the coordination number inside the crystal."""
    if not len(table):
        return ()
    return (
        model_figure(table),
        *section_figures(table, volume, GROUP),
        coordination_figure(table, bulk),
        *strain_figure(table),
        depth_figure(table),
    )


def model_figure(table: AtomTable) -> Figure:
    """Return the atoms, which the reader can turn and colour by any statistic."""
    data = table.data
    few = data.iloc[thinned(len(data), _MOST)]
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


def strain_figure(table: AtomTable) -> tuple[Figure, ...]:
    """Return the volume strain of the atoms from the middle outwards; nothing where there is no lattice."""
    tensors = table.data[[f"bulk_strain_{name}" for name in ("xx", "yy", "zz")]]
    data = table.data.assign(dilation=100 * tensors.sum(axis=1, skipna=False)).dropna(subset=["dilation"])
    if data.empty:
        return ()
    data = data.iloc[thinned(len(data), _MOST)]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": data["radius_angstrom"].to_numpy() / 10,
        "y": data["dilation"].to_numpy(),
        "marker": {"size": 5, "color": BLUE, "opacity": 0.5},
        "hovertemplate": "%{y:.2f} %<extra></extra>",
    }
    return (
        Figure(
            group=GROUP,
            title="Strain from the middle to the surface",
            caption="Change of volume about each atom relative to the bulk crystal: the trace of its strain "
            "tensor.",
            data=(plain(trace, 4),),
            layout=layout(
                "distance from the middle (nm)", "volume strain (%)", yaxis={"rangemode": "normal"}
            ),
        ),
    )


def depth_figure(table: AtomTable) -> Figure:
    """Return U of the atoms against their distance from the middle."""
    data = table.data.iloc[thinned(len(table), _MOST)]
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
