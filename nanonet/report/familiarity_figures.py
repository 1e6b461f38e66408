"""How far the frames of a movie are like those that the network learnt from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nanonet.records import Table
from nanonet.report.charts import VERMILION, band, grouping, layout, over_frames
from nanonet.report.content import Figure
from nanonet.report.time_axis import TimeAxis

_LEAST = 1e-6  # what is rarer is drawn here
_RARE = 0.01


def familiarity_figures(frames: Table, axis: TimeAxis) -> tuple[Figure, ...]:
    """Return the familiarity of each frame of a movie; nothing where fewer than two frames have one.

    Parameters
    ----------
    frames
        One row a frame, with columns ``frame`` and ``familiarity``.
    axis
        Of time.
    """
    known = frames.data.dropna(subset=["familiarity"])
    if len(known) < 2:
        return ()
    log_chance = np.log10(np.maximum(known["familiarity"].to_numpy(float), _LEAST))
    shown = over_frames(known["frame"], pd.Series(log_chance, index=known.index))
    shown = shown.assign(
        frame=axis.at(shown["frame"].to_numpy()),
        **{name: 10 ** shown[name].to_numpy() for name in ("mean", "low", "high")},
    )
    rare = float(np.mean(known["familiarity"] < _RARE))
    figure = Figure(
        title=f"Familiarity of the frames {axis.along}: {100 * rare:.0f} % are unlike the training",
        caption="Chance that a frame of the network's training is at least as unusual, in its noise, its "
        "power spectrum, the order of its columns and the network's own doubts. Of frames like the training "
        "one in a hundred lies below the dashed line; what is read of frames below it is not to be trusted, "
        "however confident it is." + grouping(known["frame"]),
        data=(*band(shown, hover=f"{axis.hover}: %{{y:.2~g}}"), _threshold(shown["frame"].to_numpy())),
        layout=layout(
            axis.title,
            "familiarity",
            yaxis={
                "type": "log",
                "range": [np.log10(_LEAST) - 0.2, 0.2],
                "rangemode": "normal",
                "dtick": 1,
                "exponentformat": "power",
            },
        ),
    )
    return (figure,)


def _threshold(places: np.ndarray) -> dict[str, object]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [float(places.min()), float(places.max())],
        "y": [_RARE, _RARE],
        "line": {"color": VERMILION, "dash": "dash", "width": 1},
        "hoverinfo": "skip",
    }
