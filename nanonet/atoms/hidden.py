"""How many atoms the noise can have hidden, or made up, by their distance from the particle's middle."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.atoms.detected import Detected
from nanonet.records import Column, Table

_SHELL = 2.0
"""Å."""
_NINETY = 1.645

SHELL_COLUMNS = (
    Column(name="radius_low_angstrom", unit="Å", meaning="inner radius of the shell about the middle"),
    Column(name="radius_high_angstrom", unit="Å", meaning="outer radius"),
    Column(name="atoms", unit="", meaning="atoms found in it"),
    Column(name="expected_false", unit="", meaning="of these, expected to be none: sum of 1 - probability"),
    Column(
        name="expected_hidden",
        unit="",
        meaning="atoms expected at empty sites of the lattice; empty without lattice or probabilities",
    ),
    Column(name="atoms_low", unit="", meaning="lower end of the 90 % interval of the number in truth"),
    Column(name="atoms_high", unit="", meaning="upper end"),
)


class ShellTable(Table):
    """shells.csv: atoms found, false and hidden by distance from the middle."""

    stem = "shells"


def shell_table(detected: Detected) -> ShellTable:
    """Return shells.csv: sums of the probabilities of kept atoms and of empty sites."""
    positions = detected.fit.atoms.positions
    middle = positions.mean(axis=0)
    radius = np.linalg.norm(positions - middle, axis=1)
    away = np.linalg.norm(detected.hidden - middle, axis=1)
    edges = np.arange(0.0, max(radius.max(initial=0.0), away.max(initial=0.0)) + _SHELL, _SHELL)
    p, q = detected.probability, detected.hidden_probability
    found = np.histogram(radius, edges)[0]
    known = bool(detected.grains) and bool(np.isfinite(p).all())
    hidden = _sums(away, q, edges) if known else np.full(len(edges) - 1, np.nan)
    false = _sums(radius, 1 - p, edges)
    spread = _NINETY * np.sqrt(_sums(radius, p * (1 - p), edges) + _sums(away, q * (1 - q), edges))
    likely = found - false + np.nan_to_num(hidden)
    data = pd.DataFrame(
        {
            "radius_low_angstrom": edges[:-1],
            "radius_high_angstrom": edges[1:],
            "atoms": found,
            "expected_false": false,
            "expected_hidden": hidden,
            "atoms_low": np.maximum(likely - spread, 0.0),
            "atoms_high": likely + spread,
        }
    )
    some = (found > 0) | (np.nan_to_num(hidden) > 0.05)
    return ShellTable(data=data[: int(np.flatnonzero(some).max(initial=-1)) + 1], columns=SHELL_COLUMNS)


def _sums(
    radius: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"], edges: Float[np.ndarray, " e"]
) -> Float[np.ndarray, " s"]:
    return np.histogram(radius, edges, weights=values)[0]
