"""Figures of the maps of a population: how far to believe them, and what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nanonet.records import ShellCorrelation, Volume
from nanonet.report.charts import GREY, layout, plain
from nanonet.report.content import Figure
from nanonet.report.population_figures import GROUP, colour, picture_layout, tile

_FACES = 8_000
"""Triangles of an isosurface, at most: more would make the page heavy."""
_COARSER = 0.75
_LINES = (0.143, 0.5)


def shells_figure(curves: Sequence[tuple[int, ShellCorrelation, ShellCorrelation]]) -> Figure:
    """Return the Fourier shell correlation of the half maps of every class, and the mask's part of it.

    Parameters
    ----------
    curves
        Number of the class, correlation without the mask's part, and that of maps with random phases.
    """
    traces = []
    for class_id, true, random in curves:
        for curve, name, dash in ((true, "class", "solid"), (random, "mask of class", "dot")):
            traces.append(
                plain(
                    {
                        "type": "scatter",
                        "mode": "lines",
                        "name": f"{name} {class_id}",
                        "legendgroup": f"{class_id}",
                        "showlegend": dash == "solid",
                        "x": 10 * curve.frequency,
                        "y": curve.correlation,
                        "line": {
                            "color": colour(class_id),
                            "width": 2 if dash == "solid" else 1,
                            "dash": dash,
                        },
                        "hovertemplate": f"{name} {class_id}, %{{x:.2f}} /nm: %{{y:.2f}}<extra></extra>",
                    },
                    4,
                )
            )
    return Figure(
        group=GROUP,
        title="How well half maps agree",
        caption="Fourier shell correlation of two maps that were made of two halves of the particles from "
        "the start, within a soft mask whose own part is taken off; thin dotted that part, the agreement of "
        "the same maps with random phases. Dashed: 0.143 and 0.5.",
        data=tuple(traces),
        layout=shell_layout(),
    )


def shell_layout() -> dict[str, Any]:
    """Return the layout of Fourier shell correlations, with their usual levels."""
    lines = [
        {
            "type": "line",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": level,
            "y1": level,
            "line": {"color": GREY, "width": 1, "dash": "dash"},
        }
        for level in _LINES
    ]
    return layout(
        "spatial frequency (1/nm)",
        "Fourier shell correlation",
        showlegend=True,
        shapes=lines,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        yaxis={"range": [-0.1, 1.02], "rangemode": "normal"},
    )


def averages_figure(
    class_id: int,
    averages: Float[np.ndarray, "v y x"],
    projections: Float[np.ndarray, "v y x"],
    counts: Int[np.ndarray, " v"],
    field: float,
) -> Figure:
    """Return averages of particles seen from a few sides, above the map's projections from there.

    Parameters
    ----------
    field
        Width of an image [nm].
    """
    rows = [np.hstack([tile(image) for image in images]) for images in (averages, projections)]
    return Figure(
        group=GROUP,
        wide=True,
        title=f"Class {class_id}: averages and projections",
        caption=f"Above, averages of {counts.min()} particles each that were seen from nearly the same side, "
        f"turned alike; below, the map seen from there. Each is {field:.3g} nm wide.",
        data=(),
        layout=picture_layout(np.vstack(rows)),
    )


def coverage_figure(
    class_id: int,
    point_group: str,
    directions: Float[np.ndarray, "n 3"],
    unit: Float[np.ndarray, "m 3"],
    largest_gap: float,
) -> Figure:
    """Return the directions that particles were seen along, in an equal-area (Lambert) projection.

    Parameters
    ----------
    directions, unit
        Within one asymmetric unit: of the particles, and spread evenly.
    largest_gap
        From any direction to the nearest particle's [rad].
    """
    middle = unit.mean(0) / np.linalg.norm(unit.mean(0))
    traces = []
    for some, name, mark in (
        (unit, "all directions", {"color": GREY, "size": 4, "opacity": 0.25}),
        (directions, "particles", {"color": colour(class_id), "size": 7, "opacity": 0.8}),
    ):
        x, y = np.degrees(equal_area(some, middle)).T
        traces.append(
            plain(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name,
                    "x": x,
                    "y": y,
                    "marker": mark,
                    "hoverinfo": "skip",
                },
                4,
            )
        )
    return Figure(
        group=GROUP,
        title=f"Class {class_id}: directions of view",
        caption=f"Equal areas are equal solid angles. All that point group {point_group}, and a beam from "
        "behind, leave different is grey. The largest gap to a particle's view is "
        f"{np.degrees(largest_gap):.1f}°.",
        data=tuple(traces),
        layout=layout(
            "from the middle of the asymmetric unit (°)",
            "(°)",
            yaxis={"scaleanchor": "x", "rangemode": "normal"},
            xaxis={"rangemode": "normal"},
        ),
    )


def equal_area(
    directions: Float[np.ndarray, "n 3"], middle: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "n 2"]:
    """Return Lambert's azimuthal equal-area projection about a direction [rad near the middle]."""
    aside = np.cross(middle, np.eye(3)[int(np.abs(middle).argmin())])
    aside /= np.linalg.norm(aside)
    plane = np.stack([aside, np.cross(middle, aside)], axis=1)
    along = directions @ middle
    return np.asarray(np.sqrt(2.0 / np.maximum(1.0 + along, 1e-9))[:, None] * (directions @ plane))


def surface_figure(class_id: int, volume: Volume, point_group: str) -> Figure:
    """Return the surface of a map, which the reader can turn."""
    corners, faces, share = isosurface(volume)
    trace = {
        "type": "mesh3d",
        **dict(zip("xyz", corners.T[::-1], strict=True)),
        **dict(zip("ijk", faces.T, strict=True)),
        "color": colour(class_id),
        "flatshading": False,
        "hoverinfo": "skip",
        "lighting": {"ambient": 0.45, "diffuse": 0.8, "specular": 0.15, "roughness": 0.7},
    }
    axes = {
        f"{name}axis": {
            "title": {"text": f"{name} (nm)"},
            "backgroundcolor": "rgba(0,0,0,0)",
            "gridcolor": "rgba(128,128,128,0.3)",
        }
        for name in "xyz"
    }
    return Figure(
        group=GROUP,
        tall=True,
        title=f"Map of class {class_id}, point group {point_group}",
        caption=f"Surface at {share:.2f} of the map's densest part, between particle and surroundings "
        "(Otsu); drag to turn it. Projections tell nothing of the hand: the mirror image would explain "
        "the particles as well.",
        data=(plain(trace, 3),),
        layout=layout("", "", scene={"aspectmode": "data", **axes}),
    )


def isosurface(volume: Volume) -> tuple[np.ndarray, np.ndarray, float]:
    """Return a map's surface, and its level over the densest part.

    Corners (n, 3) are (z, y, x) from the centre [nm], triangles (m, 3) their indices.
    """
    from skimage.filters import threshold_otsu
    from skimage.measure import marching_cubes

    density, voxel = volume.density, volume.voxel_size
    top = float(np.percentile(density, 99.9))
    if not top > 0:
        return np.zeros((0, 3)), np.zeros((0, 3), int), 0.0
    level = float(threshold_otsu(np.clip(density, 0.0, top)))
    while True:
        if not density.min() < level < density.max():
            return np.zeros((0, 3)), np.zeros((0, 3), int), 0.0
        corners, faces, _, _ = marching_cubes(density, level)
        if len(faces) <= _FACES:
            break
        density, voxel = _coarser(density), voxel / _COARSER
    centre = np.array(density.shape) // 2
    return (corners - centre) * voxel / 10, faces, level / top


def _coarser(density: Float[np.ndarray, "n n n"]) -> Float[np.ndarray, "m m m"]:
    """Return a map of fewer and larger voxels, its centre again at voxel m // 2."""
    from scipy.ndimage import affine_transform, gaussian_filter

    n = len(density)
    m = int(n * _COARSER)
    soft = gaussian_filter(density, 0.4 / _COARSER)
    matrix = np.full(3, 1 / _COARSER)
    start = n // 2 - (m // 2) / _COARSER
    return np.asarray(affine_transform(soft, matrix, start, output_shape=(m, m, m), order=1))
