"""How full columns are and how often they change, layer by layer from the surface."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.atomic_columns.table import LengthUnit
from nanonet.atomic_columns.time.surface import Surface
from nanonet.atomic_columns.time.table import LayerTable, layer_columns

MEASURED = ("occupancy", "depth", "gains", "losses", "events")
"""What layers.csv has of each layer, with intervals."""
_TAIL = 0.05
_DRAWS = 2000


def layer_table(
    surface: Surface,
    values: Float[np.ndarray, "s 5"],
    rng: np.random.Generator,
    *,
    unit: LengthUnit,
) -> LayerTable:
    """Return the means over each layer, with 90 % intervals by a bootstrap over its sites.

    Parameters
    ----------
    surface
        Layer and distance of each site.
    values
        (s, 5) mean over the movie of what `MEASURED` names, for each site.
    rng
        Of the bootstrap.
    unit
        Of the distances.
    """
    columns = layer_columns(unit)
    known = np.isfinite(surface.distance).all()
    rows = []
    for layer in np.unique(surface.layer) if known else ():
        inside = surface.layer == layer
        row = {
            "layer": int(layer),
            f"distance_{unit}": surface.distance[inside].mean(),
            "n_sites": int(inside.sum()),
        }
        low, high = mean_interval(values[inside], rng)
        for i, name in enumerate(MEASURED):
            row |= {name: values[inside, i].mean(), f"{name}_low": low[i], f"{name}_high": high[i]}
        rows.append(row)
    data = pd.DataFrame(rows, columns=[column.name for column in columns])
    return LayerTable(data=data.astype({"layer": "Int64", "n_sites": "Int64"}), columns=columns)


def mean_interval(
    values: Float[np.ndarray, "n k"], rng: np.random.Generator
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Return the ends of the 90 % intervals of the means over n sites, NaN for a single site.

    Percentiles of a bootstrap, farther out for few sites as Student's t is (the expanded percentile interval
    of T. C. Hesterberg, Am. Stat. 69, 371 (2015)).
    """
    from scipy import stats

    n = len(values)
    if n < 2:
        return np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    tail = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf(_TAIL, n - 1))
    weights = rng.multinomial(n, np.full(n, 1 / n), _DRAWS) / n
    low, high = np.quantile(weights @ values, [tail, 1 - tail], axis=0)
    return low, high
