"""What particles are told apart by: a network's view of each, by itself or beside their properties."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.cluster.properties import DEFAULT, Features, properties
from nanonet.records import ParticleImages, TrainedNetwork
from nanonet.views import views

_SLIGHT = 0.05
"""Standard deviation along an axis, over that along the widest, below which it tells nothing."""


def embedding(rows: pd.DataFrame, cuts: ParticleImages, *, network: TrainedNetwork) -> Features:
    """Return the learned vectors of particles along their principal axes, the widest first.

    One scale for all axes, so that distances stay what the network learnt: along the axis of most variance it
    is 1. Axes along which particles hardly differ are left out.

    Parameters
    ----------
    rows
        Of particles.csv; nothing of them is used.
    network
        For the task "particle_embedding".
    """
    values = _vectors(cuts, network)
    values = values / max(float(values[:, 0].std()), 1e-9)
    values = values[:, values.std(axis=0) >= _SLIGHT]
    names = tuple(f"embedding_{number}" for number in range(1, values.shape[1] + 1))
    return Features(values=values, names=names)


def both(
    rows: pd.DataFrame,
    cuts: ParticleImages,
    *,
    network: TrainedNetwork,
    names: Sequence[str] = DEFAULT,
    weight: float = 0.3,
) -> Features:
    """Return learned vectors and properties side by side.

    Parameters
    ----------
    rows, names
        As in `nanonet.cluster.properties.properties`.
    network
        As in `embedding`.
    weight
        Standard deviation of each property beside that of the first axis of the vectors, which is 1.
    """
    learned, measured = embedding(rows, cuts, network=network), properties(rows, cuts, names=names)
    return Features(
        values=np.concatenate([learned.values, weight * measured.values], axis=1),
        names=(*learned.names, *measured.names),
    )


def _vectors(cuts: ParticleImages, network: TrainedNetwork) -> Float[np.ndarray, "n d"]:
    """Return the vectors, turned so that their axes are uncorrelated."""
    found = network.predict(views(cuts).planes())[:, :, 0, 0].astype(float)
    centred = found - found.mean(axis=0)
    # Signs of principal axes are arbitrary: the largest entry of each is made positive.
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    return np.asarray(centred @ axes.T)
