"""Roughness: surface atoms that went elsewhere, in patches, the least bound first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from simulate.defects.drawing import Range, noted
from simulate.defects.filling import refilled
from simulate.defects.smooth import smooth_field
from simulate.defects.surface import HOLLOW
from simulate.defects.surroundings import exposed
from simulate.ranges import drawn, require_range
from simulate.structures.changes import neighbours
from simulate.structures.particle import Particle


@dataclass(frozen=True, kw_only=True)
class Roughness:
    """Surface atoms leave one by one, then others come one by one, as a lattice gas would have it.

    The chance of each to leave goes as exp(-stiffness · neighbours + patchiness · h), to come as the inverse
    of it, h being a smooth random field of unit variance: pits and islands lie where it is high and low.

    Parameters
    ----------
    removed, added
        Atoms that leave and come, relative to those at the surface.
    correlation
        Size of the patches [Å].
    patchiness
        How much patches matter; 0 is roughness without correlation.
    stiffness
        Energy of a bond in kT: 0.2 eV are 2 at 1160 K.
    deepest
        Counted atoms that a column may hold; by default as many as the deepest has before.
    """

    removed: Range = (0.0, 0.2)
    added: Range = (0.0, 0.1)
    correlation: Range = (5.0, 15.0)
    patchiness: Range = (0.5, 2.0)
    stiffness: Range = (1.0, 2.5)
    deepest: int | None = None

    def __post_init__(self) -> None:
        require_range("removed", self.removed, "of the surface atoms", low=0, high=1)
        require_range("added", self.added, "of the surface atoms", low=0, high=1)
        require_range("correlation", self.correlation, "Å", low=1)
        require_range("patchiness", self.patchiness, "standard deviations", low=0)
        require_range("stiffness", self.stiffness, "kT", low=0)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with a rough surface."""
        sites, surface = particle.sites, len(exposed(particle))
        patches = smooth_field(drawn(self.correlation, rng), 1, rng).at(sites.positions)[:, 0]
        patches *= drawn(self.patchiness, rng)
        gas = _LatticeGas(particle, drawn(self.stiffness, rng), self.deepest)
        removed, added = (round(drawn(part, rng) * surface) for part in (self.removed, self.added))
        # The largest of (log chance + Gumbel noise) is a draw by those chances.
        gas.change(removed, patches + rng.gumbel(size=len(sites)), gain=False)
        gas.change(added, -patches + rng.gumbel(size=len(sites)), gain=True)
        rough = refilled(particle, gas.occupied, "Roughness")
        return noted(rough, "Roughness", removed=removed, added=added)


class _LatticeGas:
    """Counted atoms that come and go one by one; knows how many neighbours each site has."""

    def __init__(self, particle: Particle, stiffness: float, deepest: int | None) -> None:
        sites = particle.sites
        first, second = neighbours(sites).T
        order = np.argsort(np.concatenate([first, second]), kind="stable")
        self._others: Int[np.ndarray, " p"] = np.concatenate([second, first])[order]
        ends = np.cumsum(np.bincount(np.concatenate([first, second]), minlength=len(sites)))
        self._bounds: Int[np.ndarray, " m"] = np.concatenate([[0], ends])
        self._columns, self._counted, self._stiffness = sites.columns, sites.counted, stiffness
        self.occupied: Bool[np.ndarray, " n"] = particle.occupied.copy()
        filled = particle.occupied & sites.counted
        self._number: Float[np.ndarray, " n"] = np.zeros(len(sites))
        np.add.at(self._number, first, filled[second])
        np.add.at(self._number, second, filled[first])
        self._full = max(float(np.bincount(first, minlength=len(sites)).max(initial=0)), self._number.max())
        self._depths = np.bincount(sites.columns[filled] + 1, minlength=sites.columns.max() + 2)
        self._deepest = deepest or int(self._depths[1:].max(initial=0))

    def change(self, count: int, noise: Float[np.ndarray, " n"], *, gain: bool) -> None:
        """Let ``count`` atoms come or go, each where its log chance and ``noise`` are most."""
        sign = 1 if gain else -1
        for _ in range(count):
            able = self._may_come() if gain else self._may_go()
            if not able.any():
                return
            score = np.where(able, noise + sign * self._stiffness * self._number, -np.inf)
            site = int(score.argmax())
            self.occupied[site] = gain
            self._number[self._others[self._bounds[site] : self._bounds[site + 1]]] += sign
            self._depths[self._columns[site] + 1] += sign

    def _may_go(self) -> Bool[np.ndarray, " n"]:
        return np.asarray(self.occupied & self._counted & (self._number < self._full - 1))

    def _may_come(self) -> Bool[np.ndarray, " n"]:
        room = (self._columns < 0) | (self._depths[self._columns + 1] < self._deepest)
        return np.asarray(~self.occupied & self._counted & (self._number >= HOLLOW) & room)
