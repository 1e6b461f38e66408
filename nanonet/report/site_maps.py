"""Maps of the sites of a movie: where atoms came and went."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nanonet.report.charts import BLUE, GREY, PALE, SHARES, VERMILION, layout, plain
from nanonet.report.content import Figure
from nanonet.report.exchange import Exchanges, exchanges
from nanonet.report.history import History
from nanonet.report.numbers import plain_text, unit_text
from nanonet.report.rim import spacing

GROUP = "Events"
MOST_ARROWS = 80
PLOT_PIXELS = 340
"""Of the shorter side of a map, on most screens."""
_BALANCE = [[0, VERMILION], [0.5, PALE], [1, BLUE]]


def change_map(events: pd.DataFrame, site: np.ndarray, history: History) -> Figure:
    """Return how often each site changes; ``site`` (n,) is the row of the site of each event."""
    chance = events["probability"].to_numpy(dtype=float, na_value=1.0)
    number = np.bincount(site, chance, minlength=len(history.tracks))
    rate = 100 * number / len(history.frames)
    most = float(rate.max()) or 1.0
    points = _sites(history) | {
        "customdata": np.stack([_first_frame(events, site, history), history.tracks, number], axis=1),
        "meta": {"jump": True},
        "marker": _marker(history)
        | {
            "color": rate,
            "colorscale": SHARES,
            "cmin": 0,
            "cmax": most,
            "line": {"color": GREY, "width": 1},
            "colorbar": {"title": {"text": "events per<br>100 frames"}, "thickness": 12, "outlinewidth": 0},
        },
        "hovertemplate": "site %{customdata[1]}: %{customdata[2]:.3~g} events<extra></extra>",
    }
    still = int((number < 0.5).sum())
    return Figure(
        group=GROUP,
        tall=True,
        title="Where depth changes",
        caption=f"Events of each site, counted with their probability; {still} of {len(number)} sites had "
        "none. Places are means over the movie, drift taken off. Click a site to see it in the images above.",
        data=(plain(points, 4),),
        layout=_map_layout(history),
    )


def migration_map(events: pd.DataFrame, site: np.ndarray, history: History) -> Figure:
    """Return the net gain of each site, with arrows between neighbours that passed atoms on."""
    chance = events["probability"].to_numpy(dtype=float, na_value=1.0)
    change = (events["depth_after"] - events["depth_before"]).to_numpy(dtype=float, na_value=0.0)
    net = np.bincount(site, chance * change, minlength=len(history.tracks))
    gained = np.bincount(site, chance * np.maximum(change, 0), minlength=len(net))
    most = max(float(np.abs(net).max()), 1.0)
    first = _first_frame(events, site, history)
    points = _sites(history) | {
        "customdata": np.stack([first, history.tracks, gained, gained - net], axis=1),
        "meta": {"jump": True},
        "marker": _marker(history)
        | {
            "color": net,
            "colorscale": _BALANCE,
            "cmin": -most,
            "cmax": most,
            "line": {"color": GREY, "width": 1},
            "colorbar": {"title": {"text": "net gain<br>(atoms)"}, "thickness": 12, "outlinewidth": 0},
        },
        "hovertemplate": "site %{customdata[1]}: %{customdata[2]:.3~g} atoms gained, "
        "%{customdata[3]:.3~g} lost<extra></extra>",
    }
    found = exchanges(events, site, history.positions, history.frames)
    return Figure(
        group=GROUP,
        tall=True,
        title=f"Migration: {found.total} moves between neighbours, "
        f"{plain_text(found.by_chance[0], 3)} by chance",
        caption="Colour: atoms that a site gained less those it lost, over the whole movie. A move is a loss "
        "and a gain at a neighbouring site at the same time, within the intervals of both. "
        + _verdict(found),
        data=(plain(points, 4),),
        layout=_map_layout(history) | {"annotations": _arrows(found, history)},
    )


def _verdict(found: Exchanges) -> str:
    low, high = (plain_text(limit, 3) for limit in found.by_chance[1:])
    chance = (
        f"Sites that know nothing of each other would show {low} to {high} (90 % interval, by shifting the "
    )
    chance += "events of each site in time)"
    if not found.beyond_chance:
        return chance + ": no more are seen than chance gives, so no arrows are drawn."
    return chance + ". Arrows lead from loss to gain, the wider the more often; single ones may be chance."


def _sites(history: History) -> dict[str, Any]:
    y, x = history.positions.T
    return {"type": "scatter", "mode": "markers", "x": x, "y": y}


def _marker(history: History) -> dict[str, Any]:
    extent = float(np.ptp(history.positions, axis=0).max()) or 1.0
    size = 0.62 * spacing(history.positions) * PLOT_PIXELS / extent
    return {"size": float(np.clip(size, 4, 20))}


def _first_frame(events: pd.DataFrame, site: np.ndarray, history: History) -> np.ndarray:
    """Return the frame of the first event of each site, that of the movie for sites without."""
    first = np.full(len(history.tracks), history.frames[-1] + 1)
    np.minimum.at(first, site, events["frame"].to_numpy(int))
    return np.where(first > history.frames[-1], history.frames[0], first)


def _map_layout(history: History) -> dict[str, Any]:
    unit = unit_text(history.unit)
    equal = {"showgrid": False, "zeroline": False, "constrain": "domain"}
    return layout(
        f"x ({unit})",
        f"y ({unit})",
        xaxis=equal,
        yaxis=equal | {"autorange": "reversed", "rangemode": "normal", "scaleanchor": "x"},
    )


def _arrows(found: Exchanges, history: History) -> list[dict[str, Any]]:
    """Return arrows as annotations; those there and back lie beside each other."""
    if not found.beyond_chance:
        return []
    most = np.argsort(-found.count, kind="stable")[:MOST_ARROWS]
    return [_arrow(found, history, int(index)) for index in most]


def _arrow(found: Exchanges, history: History, index: int) -> dict[str, Any]:
    tail, head = history.positions[found.source[index]], history.positions[found.target[index]]
    along = head - tail
    aside = 0.09 * np.array([-along[1], along[0]])
    (y0, x0), (y1, x1) = tail + 0.18 * along + aside, head - 0.18 * along + aside
    look = {"showarrow": True, "text": "", "arrowhead": 2, "arrowcolor": "#1B1F24", "standoff": 0}
    width = 1.4 + min(float(found.count[index]) - 1, 4.0) * 0.6
    place = {"x": x1, "y": y1, "ax": x0, "ay": y0, "xref": "x", "yref": "y", "axref": "x", "ayref": "y"}
    return dict(plain(look | place | {"arrowwidth": width, "arrowsize": 0.9}))
