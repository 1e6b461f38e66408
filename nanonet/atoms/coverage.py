"""The directions in which a map was measured: what a missing wedge or cone leaves of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

_RINGS = 18
"""Of 5° each, from the pole (z) to the equator; opposite directions are one."""
_EMPTY = 0.05
"""Of the median power of all directions, below which one was not measured."""
_FEW = 0.02
"""Share of all directions, below which none counts as missing."""
_LEAST = 10


def _cells() -> Int[np.ndarray, " r"]:
    """Return how many cells each ring has, so that all are about as large."""
    polar = (np.arange(_RINGS) + 0.5) * (np.pi / 2 / _RINGS)
    return np.asarray(np.maximum(1, np.rint(4 * _RINGS * np.sin(polar))).astype(int))


_COUNTS = _cells()
_STARTS = np.concatenate([[0], np.cumsum(_COUNTS)])


def cell_of(
    x: Float[np.ndarray, "..."], y: Float[np.ndarray, "..."], z: Float[np.ndarray, "..."]
) -> Int[np.ndarray, "..."]:
    """Return the cell of the half sphere that vectors, which may be broadcast, point into."""
    sign = np.where(z < 0, -1.0, 1.0)
    polar = np.arctan2(np.hypot(x, y), np.abs(z))
    ring = np.minimum((polar * (2 * _RINGS / np.pi)).astype(np.int16), _RINGS - 1)
    turn = np.arctan2(sign * y, sign * x) / (2 * np.pi) % 1.0
    return np.asarray(_STARTS[ring] + np.minimum(turn * _COUNTS[ring], _COUNTS[ring] - 1).astype(np.int16))


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Which cells of the half sphere of directions were measured (c,)."""

    measured: Bool[np.ndarray, " c"]

    @cached_property
    def share(self) -> float:
        """Part of all directions that was measured."""
        return float(self._areas[self.measured].sum() / self._areas.sum())

    @cached_property
    def tensor(self) -> Float[np.ndarray, "3 3"]:
        """3 ∫ u uᵀ over the measured directions u (x, y, z), over all of them: 1 where all were measured."""
        weight = self._areas * self.measured
        found = np.einsum("c,ci,cj->ij", weight, self._middles, self._middles)
        every = np.einsum("c,ci,cj->ij", self._areas, self._middles, self._middles)
        root = np.linalg.inv(np.linalg.cholesky(every))
        return np.asarray(root @ found @ root.T)

    @cached_property
    def stretch(self) -> Float[np.ndarray, "3 3"]:
        """Root of ``tensor`` over ``share``: what scales the information of positions beyond the share."""
        values, vectors = np.linalg.eigh(self.tensor / self.share)
        return np.asarray((vectors * np.sqrt(values)) @ vectors.T)

    @property
    def _areas(self) -> Float[np.ndarray, " c"]:
        edges = np.cos(np.arange(_RINGS + 1) * (np.pi / 2 / _RINGS))
        return np.repeat((edges[:-1] - edges[1:]) / _COUNTS, _COUNTS)

    @property
    def _middles(self) -> Float[np.ndarray, "c 3"]:
        polar = np.repeat((np.arange(_RINGS) + 0.5) * (np.pi / 2 / _RINGS), _COUNTS)
        number = np.concatenate([np.arange(count) for count in _COUNTS])
        turn = 2 * np.pi * (number + 0.5) / np.repeat(_COUNTS, _COUNTS)
        return np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], axis=1)


EVERYWHERE = Coverage(measured=np.ones(int(_COUNTS.sum()), dtype=bool))


def coverage_of(power: Float[np.ndarray, " n"], cell: Int[np.ndarray, " n"]) -> Coverage:
    """Return where a map has power, by that of its Fourier coefficients in a band and their cells.

    A direction is missing where its mean is below a twentieth of the median of all; of fewer than 2 % of them
    none is. Cells with too few coefficients count as measured.
    """
    size = int(_COUNTS.sum())
    number = np.bincount(cell, minlength=size)
    mean = np.bincount(cell, power, minlength=size) / np.maximum(number, 1)
    known = number >= _LEAST
    if not known.any():
        return EVERYWHERE
    measured = ~known | (mean >= _EMPTY * np.median(mean[known]))
    # The few cells about the poles are small: they are what the ring below them is.
    poles = np.flatnonzero(~known[: _STARTS[2]])
    measured[poles] = measured[_STARTS[2] : _STARTS[3]].mean() > 0.5
    found = Coverage(measured=measured)
    return EVERYWHERE if found.share > 1 - _FEW else found
