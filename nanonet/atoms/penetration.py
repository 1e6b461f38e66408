"""How deep the surface reaches: statistics against the depth of atoms, linear, then constant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from scipy.stats import f as fisher

from nanonet.records import Column, Table

IN_A_MEAN = 5
STATISTICS = {
    "coordination_number": "coordination number",
    "generalized_coordination_number": "generalised CN",
    "u_iso_angstrom2": "U (Å²)",
    "max_intensity": "intensity",
    "degree_of_isotropy": "degree of isotropy",
    "validation_correlation": "validation correlation",
}
"""Those that are fitted."""
_SURFACE = 0.8
"""Of the bulk's neighbours, up to which an atom is at the surface: 9 of 12 on a face, 11 beside a vacancy."""
_FEW = 12
_DRAWS = 200
_GRID = 200
_SAME = 1e-9
"""Of a value, by which values that are one differ in rounding."""
_DOUBT = 0.05


def depths(
    positions: Float[np.ndarray, "n 3"],
    coordination: Int[np.ndarray, " n"],
    bulk: Int[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """Return the distance of each atom to the nearest one at the surface [Å], 0 of those; NaN without any."""
    outer = coordination <= _SURFACE * bulk
    if not outer.any():
        return np.full(len(positions), np.nan)
    return np.asarray(cKDTree(positions[outer]).query(positions)[0])


def running_means(
    depth: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"], count: int = IN_A_MEAN
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Return means of ``count`` atoms that follow each other in depth, of depth and of a statistic."""
    known = np.isfinite(depth) & np.isfinite(values)
    # Atoms at one depth, as all at the surface, come in no order of their own.
    mixed = np.random.default_rng(0).permutation(int(known.sum()))
    order = mixed[np.argsort(depth[known][mixed], kind="stable")]
    if len(order) < count:
        return np.zeros(0), np.zeros(0)
    kernel = np.ones(count) / count
    return tuple(np.convolve(part[known][order], kernel, mode="valid") for part in (depth, values))  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class Penetration:
    """y = core + slope · max(depth - d, 0), d being the depth of an atom (Wietfeldt et al., 2024, eq. 1).

    Parameters
    ----------
    depth, core, surface
        [Å], and the value from there on and at d = 0; NaN for the depth where the surface is no different.
    depth_interval
        90 %, by the profile of the sum of squares.
    core_interval, surface_interval
        90 %, by drawing atoms anew (bootstrap).
    p_value
        Chance of a fit as good where the statistic is the same at all depths (F test).
    """

    depth: float
    core: float
    surface: float
    depth_interval: tuple[float, float]
    core_interval: tuple[float, float]
    surface_interval: tuple[float, float]
    p_value: float

    def line(self, at: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """Return the fitted values at depths [Å]."""
        if not np.isfinite(self.depth):
            return np.full(len(at), self.core)
        return np.asarray(self.core + (self.surface - self.core) * np.maximum(1 - at / self.depth, 0))


def penetration(
    depth: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"], rng: np.random.Generator
) -> Penetration | None:
    """Return the fit of a statistic over depth; None of too few atoms or of all at one depth."""
    known = np.isfinite(depth) & np.isfinite(values)
    d, y = depth[known], values[known]
    if len(d) < _FEW or len(np.unique(np.round(d, 1))) < 3:
        return None
    tried = np.linspace(0.02, 0.9, _GRID) * d.max()
    basis = np.maximum(tried[:, None] - d, 0)
    draws = rng.multinomial(len(d), np.full(len(d), 1 / len(d)), size=_DRAWS)
    weights = np.concatenate([np.ones((1, len(d))), draws]).astype(float)
    squares, core, slope = _fits(weights, basis, y)
    best = squares.argmin(axis=1)
    every = np.arange(len(best))
    at, core, slope = tried[best], core[every, best], slope[every, best]
    surface = core + slope * at
    left = float(squares[0, best[0]])
    # Depths come in layers: between two of them the place of the bend is not known, which the profile tells.
    limit = left * (1 + fisher.isf(0.1, 1, len(d) - 3) / (len(d) - 3))
    likely, step = tried[squares[0] <= limit], float(tried[1] - tried[0])
    whole = float(((y - y.mean()) ** 2).sum())
    ratio = (whole - left) / 2 / max(left / (len(d) - 3), 1e-300)
    same = np.ptp(y) <= _SAME * np.abs(y).max()
    p_value = 1.0 if same else float(fisher.sf(ratio, 2, len(d) - 3))
    if p_value > _DOUBT:
        error = 1.645 * float(y.std()) / np.sqrt(len(y))
        mean, unknown = float(y.mean()), (np.nan, np.nan)
        interval = (mean - error, mean + error)
        return Penetration(
            depth=np.nan,
            core=mean,
            surface=mean,
            depth_interval=unknown,
            core_interval=interval,
            surface_interval=interval,
            p_value=p_value,
        )
    return Penetration(
        depth=float(at[0]),
        core=float(core[0]),
        surface=float(surface[0]),
        depth_interval=(float(likely.min() - step), float(likely.max() + step)),
        core_interval=_interval(core),
        surface_interval=_interval(surface),
        p_value=p_value,
    )


def _interval(values: Float[np.ndarray, " b"]) -> tuple[float, float]:
    low, high = np.quantile(values[1:], [0.05, 0.95])
    return float(min(low, values[0])), float(max(high, values[0]))


def _fits(
    weights: Float[np.ndarray, "b n"], basis: Float[np.ndarray, "g n"], y: Float[np.ndarray, " n"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return squares left, constant and slope of weighted straight lines over each basis, each (b, g)."""
    total = weights.sum(axis=1, keepdims=True)
    mean_x, mean_y = weights @ basis.T / total, (weights @ y)[:, None] / total
    xx = weights @ (basis**2).T / total - mean_x**2
    xy = weights @ (basis * y).T / total - mean_x * mean_y
    yy = (weights @ y**2)[:, None] / total - mean_y**2
    slope = xy / np.maximum(xx, 1e-12)
    return total * (yy - slope * xy), mean_y - slope * mean_x, slope


PENETRATION_COLUMNS = (
    Column(name="statistic", unit="", meaning="column of atoms.csv"),
    Column(
        name="depth_angstrom",
        unit="Å",
        meaning="distance from the surface's atoms to where it is as inside; empty where it is nowhere else",
    ),
    Column(
        name="depth_low_angstrom", unit="Å", meaning="lower end of its 90 % interval (profile of squares)"
    ),
    Column(name="depth_high_angstrom", unit="Å", meaning="upper end of its 90 % interval"),
    Column(name="core", unit="of the statistic", meaning="value inside"),
    Column(name="core_low", unit="of the statistic", meaning="lower end of its 90 % interval (bootstrap)"),
    Column(name="core_high", unit="of the statistic", meaning="upper end of its 90 % interval"),
    Column(name="surface", unit="of the statistic", meaning="value of the surface's atoms, by the line"),
    Column(name="surface_low", unit="of the statistic", meaning="lower end of its 90 % interval"),
    Column(name="surface_high", unit="of the statistic", meaning="upper end of its 90 % interval"),
    Column(name="p_value", unit="", meaning="chance of a fit as good where depth makes no difference"),
)


class PenetrationTable(Table):
    """penetration.csv: how deep the surface reaches, by each statistic."""

    stem = "penetration"


def penetrations(data: pd.DataFrame, rng: np.random.Generator) -> Mapping[str, Penetration]:
    """Return the fits of the statistics of atoms.csv, of those that can be fitted."""
    depth = data["depth_angstrom"].to_numpy(dtype=float)
    found = {name: penetration(depth, data[name].to_numpy(dtype=float), rng) for name in STATISTICS}
    return {name: fit for name, fit in found.items() if fit is not None}


def penetration_table(found: Mapping[str, Penetration]) -> PenetrationTable:
    """Return penetration.csv."""
    rows = [
        (
            name,
            p.depth,
            *p.depth_interval,
            p.core,
            *p.core_interval,
            p.surface,
            *p.surface_interval,
            p.p_value,
        )
        for name, p in found.items()
    ]
    data = pd.DataFrame(rows, columns=[column.name for column in PENETRATION_COLUMNS])
    return PenetrationTable(data=data, columns=PENETRATION_COLUMNS)
