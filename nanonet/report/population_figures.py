"""Figures of a population: how particles group, who is in each class, and the map of each."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from jaxtyping import Float

from nanonet.records import ParticleImages, Table
from nanonet.report.charts import GREY, layout, plain, thinned
from nanonet.report.content import Figure
from nanonet.report.numbers import number_text, plain_text

GROUP = "Classes and maps"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F", "#5B4B8A")
"""Okabe and Ito's, and two more; they begin anew after eight classes."""
_SHOWN = 24
"""Particles of a class in its picture, in rows of twelve."""
_ROW = 12
TILE = 64


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
    tiles = [tile(cuts.images[index]) for index in chosen]
    while len(tiles) % _ROW:
        tiles.append(np.zeros((TILE, TILE), np.uint8))
    sheet = np.vstack([np.hstack(tiles[i : i + _ROW]) for i in range(0, len(tiles), _ROW)])
    return Figure(
        group=GROUP,
        wide=True,
        title=f"Class {class_id}: {len(cuts)} particles",
        caption=f"{len(chosen)} of them, from the one that agrees best with the class's map "
        f"({seen.max():.3f}) to the one that agrees least ({seen.min():.3f}). Each is "
        f"{plain_text(_field(cuts), 3)} nm wide.",
        data=(),
        layout=picture_layout(sheet),
    )


def _field(cuts: ParticleImages) -> float:
    return float(cuts.images.shape[-1] * cuts.pixel_size / 10)


def tile(image: Float[np.ndarray, "y x"], size: int = TILE) -> np.ndarray:
    """Return an image as a grey picture of ``size`` pixels a side, from 0 to its brightest part."""
    from PIL import Image

    low, high = 0.0, float(np.percentile(image, 99.8)) or 1.0
    grey = np.clip((image - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(grey).resize((size, size), Image.Resampling.BILINEAR))


def picture_layout(sheet: np.ndarray) -> dict[str, Any]:
    """Return the layout of a figure that is one grey picture."""
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
