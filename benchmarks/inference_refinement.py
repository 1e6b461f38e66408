"""Positions of columns by other means: Gaussian fits by atomap (if it is installed) and by nanonet."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import cast

import numpy as np

from nanonet.atomic_columns.classical import find_columns
from nanonet.atomic_columns.network import read_depth
from nanonet.atomic_columns.table import positions_of
from nanonet.records import ColumnTable, Micrograph, TrainedNetwork


def seconds(micrograph: Micrograph, network: TrainedNetwork) -> tuple[int, dict[str, float | None]]:
    """Return how many columns a frame has, and seconds of the processor that each way takes for all.

    atomap starts from the columns that the network finds (finding is not in its time), and refines them by
    centre of mass, then by two-dimensional Gaussians, as its documentation does. None: not installed.
    """
    found = read_depth(micrograph, network=network)
    positions = positions_of(cast(ColumnTable, found.tables[0]))[0] / (micrograph.pixel_size or 1.0)
    ways = {
        "network, with depths": lambda: read_depth(micrograph, network=network),
        "joint Gaussian fits": lambda: find_columns(micrograph),
        "atomap": lambda: _atomap(micrograph.image, positions),
    }
    return len(positions), {name: _spent(way) for name, way in ways.items()}


def _spent(way: Callable[[], object]) -> float | None:
    """Return the seconds of a second call: the first may have to import what it needs."""
    try:
        way()
    except ImportError:
        return None
    start = time.process_time()
    way()
    return time.process_time() - start


def _atomap(image: np.ndarray, positions: np.ndarray) -> None:
    import atomap.api as atomap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sublattice = atomap.Sublattice(positions[:, ::-1], image=image)
        sublattice.find_nearest_neighbors()
        sublattice.refine_atom_positions_using_center_of_mass(show_progressbar=False)
        sublattice.refine_atom_positions_using_2d_gaussian(show_progressbar=False)
