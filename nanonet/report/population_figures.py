"""Figures of a population: how particles group, who is in each class, and the map of each."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from nanonet.records import ParticleImages, ShellCorrelation, Table, Volume
from nanonet.report.charts import GREY, layout, plain, thinned
from nanonet.report.content import Figure
from nanonet.report.numbers import number_text, plain_text

GROUP = "Classes and maps"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F", "#5B4B8A")
"""Okabe and Ito's, and two more; they begin anew after eight classes."""
_SHOWN = 24
"""Particles of a class in its picture, in rows of twelve."""
_ROW = 12
_TILE = 64
_FACES = 20_000
"""Triangles of an isosurface, at most: more would make the page heavy."""
_LEVEL = 0.35
"""Of the densest part of a map: where its surface is drawn."""


def colour(number: int) -> str:
    """Return the colour of a class, kind or curve, from 1."""
    return COLOURS[(number - 1) % len(COLOURS)]


def scatter_figure(values: Float[np.ndarray, "n f"], table: Table) -> Figure:
    """Return particles along the two directions of their features that tell kinds apart best."""
    places = _two_directions(values, table)
    data = table.data
    traces = []
    for kind in [*sorted(data["kind_id"].dropna().unique()), None]:
        own = data["kind_id"].isna() if kind is None else data["kind_id"] == kind
        rows = np.flatnonzero(own.fillna(False).to_numpy(dtype=bool))
        if not len(rows):
            continue
        rows = rows[thinned(len(rows))]
        traces.append(
            plain(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": "none" if kind is None else f"kind {kind}",
                    "x": places[rows, 0],
                    "y": places[rows, 1],
                    "text": [f"{r.image}, particle {r.particle_id}" for r in data.iloc[rows].itertuples()],
                    "marker": {
                        "color": GREY if kind is None else colour(int(kind)),
                        "size": 6,
                        "opacity": 0.7,
                    },
                    "hovertemplate": "%{text}<extra></extra>",
                },
                4,
            )
        )
    return Figure(
        group=GROUP,
        title=f"{number_text(data['kind_id'].nunique(), 0)} kinds of particles",
        caption="Each point is a particle, along the two directions of its features that tell kinds apart "
        "best (Fisher's discriminants). Grey ones are like no kind.",
        data=tuple(traces),
        layout=layout(
            "first discriminant",
            "second discriminant",
            showlegend=True,
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            yaxis={"rangemode": "normal"},
        ),
    )


def _two_directions(values: Float[np.ndarray, "n f"], table: Table) -> Float[np.ndarray, "n 2"]:
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    kinds = table.data["kind_id"].fillna(0).to_numpy(dtype=int)
    known = kinds > 0
    found = np.zeros((len(values), 2))
    if len(np.unique(kinds[known])) > 2:
        fit = LinearDiscriminantAnalysis(n_components=2, solver="eigen", shrinkage=0.01)
        found[:] = fit.fit(values[known], kinds[known]).transform(values)
    else:
        axes = min(2, *values.shape)
        found[:, :axes] = PCA(axes).fit_transform(values)
    return found


def members_figure(class_id: int, cuts: ParticleImages, seen: Float[np.ndarray, " n"]) -> Figure:
    """Return the particles of a class as a picture, those that agree best with its map first."""
    order = np.argsort(-seen, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(_SHOWN, len(order))).round().astype(int)]
    tiles = [_tile(cuts.images[index]) for index in chosen]
    while len(tiles) % _ROW:
        tiles.append(np.zeros((_TILE, _TILE), np.uint8))
    sheet = np.vstack([np.hstack(tiles[i : i + _ROW]) for i in range(0, len(tiles), _ROW)])
    return Figure(
        group=GROUP,
        wide=True,
        title=f"Class {class_id}: {len(cuts)} particles",
        caption=f"{len(chosen)} of them, from the one that agrees best with the class's map "
        f"({seen.max():.3f}) to the one that agrees least ({seen.min():.3f}). Each is "
        f"{plain_text(_field(cuts), 3)} nm wide.",
        data=(),
        layout=_picture_layout(sheet),
    )


def _field(cuts: ParticleImages) -> float:
    return float(cuts.images.shape[-1] * cuts.pixel_size / 10)


def _tile(image: Float32[np.ndarray, "y x"]) -> np.ndarray:
    from PIL import Image

    low, high = 0.0, float(np.percentile(image, 99.8)) or 1.0
    grey = np.clip((image - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(grey).resize((_TILE, _TILE), Image.Resampling.BILINEAR))


def _picture_layout(sheet: np.ndarray) -> dict[str, Any]:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, format="JPEG", quality=85)
    source = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    height, width = sheet.shape
    hidden = {"visible": False, "fixedrange": True}
    picture = {
        "source": source,
        "xref": "x",
        "yref": "y",
        "x": 0,
        "y": 0,
        "sizex": width,
        "sizey": height,
        "sizing": "stretch",
        "layer": "below",
    }
    return layout(
        "",
        "",
        images=[picture],
        xaxis=hidden | {"range": [0, width]},
        yaxis=hidden | {"range": [height, 0], "scaleanchor": "x", "rangemode": "normal"},
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
    )


def shells_figure(curves: Sequence[tuple[int, ShellCorrelation]]) -> Figure:
    """Return the Fourier shell correlation of the half maps of every class."""
    traces = [
        plain(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"class {class_id}",
                "x": 10 * curve.frequency,
                "y": curve.correlation,
                "line": {"color": colour(class_id), "width": 2},
                "hovertemplate": f"class {class_id}, %{{x:.2f}} /nm: %{{y:.2f}}<extra></extra>",
            },
            4,
        )
        for class_id, curve in curves
    ]
    lines = [
        {
            "type": "line",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": level,
            "y1": level,
            "line": {"color": GREY, "width": 1, "dash": "dot"},
        }
        for level in (0.143, 0.5)
    ]
    return Figure(
        group=GROUP,
        title="How well half maps agree",
        caption="Fourier shell correlation of two maps that were made of two halves of the particles from "
        "the start; dotted where it is 0.143 and 0.5.",
        data=tuple(traces),
        layout=layout(
            "spatial frequency (1/nm)",
            "Fourier shell correlation",
            showlegend=True,
            shapes=lines,
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            yaxis={"range": [-0.1, 1.02], "rangemode": "normal"},
        ),
    )


def surface_figure(class_id: int, volume: Volume) -> Figure:
    """Return the surface of a map, which the reader can turn."""
    corners, faces = isosurface(volume)
    trace = {
        "type": "mesh3d",
        **dict(zip("xyz", corners.T[::-1], strict=True)),
        **dict(zip("ijk", faces.T, strict=True)),
        "color": colour(class_id),
        "flatshading": False,
        "hoverinfo": "skip",
        "lighting": {"ambient": 0.45, "diffuse": 0.8, "specular": 0.15, "roughness": 0.7},
    }
    axis = {"title": {"text": "nm"}, "backgroundcolor": "rgba(0,0,0,0)", "gridcolor": "rgba(128,128,128,0.3)"}
    return Figure(
        group=GROUP,
        tall=True,
        title=f"Map of class {class_id}",
        caption="Surface at 0.35 of the map's densest part; drag to turn it. Projections tell nothing of the "
        "hand: the mirror image would explain the particles as well.",
        data=(plain(trace, 4),),
        layout=layout("", "", scene={"aspectmode": "data", **{f"{name}axis": axis for name in "xyz"}}),
    )


def isosurface(volume: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Return corners (n, 3) as (z, y, x) from the centre [nm] and triangles (m, 3) of a map's surface."""
    from scipy.ndimage import zoom
    from skimage.measure import marching_cubes

    density, voxel = volume.density, volume.voxel_size
    while True:
        level = _LEVEL * float(np.percentile(density, 99.9))
        if not density.min() < level < density.max():
            return np.zeros((0, 3)), np.zeros((0, 3), int)
        corners, faces, _, _ = marching_cubes(density, level)
        if len(faces) <= _FACES:
            break
        density, voxel = zoom(density, 0.75, order=1), voxel / 0.75
    centre = np.array(density.shape) // 2
    return (corners - centre) * voxel / 10, faces
