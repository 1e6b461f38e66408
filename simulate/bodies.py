"""A library of bodies: kinds drawn from broad families, each as its thickness seen from many sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float16

from nanonet.records import InputError
from simulate.crystals import crystal
from simulate.fields.chords import thickness_along
from simulate.structures.families import FAMILIES
from simulate.structures.orientation import RandomOrientation
from simulate.structures.outliers import Broken, Fused
from simulate.structures.solids import Shape, Solid

SIZE = 100.0
"""Å: diameter at which thicknesses are kept; bodies of any other are scaled."""
_GRID = 48
"""Pixels of a side of a thickness."""
_LATTICE = crystal("Au")
"""Cubic: what facets are counted by. The matter is another question."""


@dataclass(frozen=True, kw_only=True)
class Thickness:
    """Views of one kind, of diameter `SIZE`, each of another particle from another side.

    Parameters
    ----------
    maps
        (v, y, x) thickness along the beam [Å]; the particle's origin lies in the middle.
    spacing
        (v,) Å between pixels.
    reach
        (v,) Å from the origin to the farthest point of the particle in projection.
    whole
        (v,) False where the particle is broken, or two are fused.
    """

    maps: Float16[np.ndarray, "v y x"]
    spacing: Float[np.ndarray, " v"]
    reach: Float[np.ndarray, " v"]
    whole: Bool[np.ndarray, " v"]


class Bodies:
    """Numbered kinds of bodies, drawn from `simulate.structures.families`; a kind is computed once and kept.

    Parameters
    ----------
    number
        How many kinds.
    families
        Names of `FAMILIES` that they are of; None for all.
    views, misfits
        Whole particles of each kind, and broken or fused ones.
    seed
        Another seed draws other kinds.
    """

    def __init__(
        self,
        number: int = 200,
        families: Sequence[str] | None = None,
        views: int = 14,
        misfits: int = 4,
        seed: int = 0,
    ) -> None:
        unknown = [name for name in families or () if name not in FAMILIES]
        if unknown:
            raise InputError(f"families must be of {', '.join(FAMILIES)}, got {', '.join(unknown)}")
        if min(number, views, misfits) < 1:
            raise InputError(f"bodies need a number, views and misfits, got {number}, {views} and {misfits}")
        self.number = number
        self.families = tuple(families or FAMILIES)
        self.views = views
        self.misfits = misfits
        self.seed = seed
        self._kept = lru_cache(maxsize=None)(self._seen)

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, kind: int) -> Thickness:
        return self._kept(kind)

    def shape(self, kind: int) -> Shape:
        """Return what particles of a kind are drawn from."""
        rng = np.random.default_rng([self.seed, kind])
        return FAMILIES[self.families[int(rng.integers(len(self.families)))]](rng)

    def _seen(self, kind: int) -> Thickness:
        shape, rng = self.shape(kind), np.random.default_rng([self.seed, kind, 1])
        wrong: tuple[Shape, ...] = (Broken(shape=shape), Fused(shape=shape))
        shapes = [shape] * self.views + [wrong[i % 2] for i in range(self.misfits)]
        found = [_view(one.solid(_LATTICE, SIZE, rng), rng) for one in shapes]
        maps, spacing, reach = (np.stack(part) for part in zip(*found, strict=True))
        return Thickness(maps=maps, spacing=spacing, reach=reach, whole=np.arange(len(shapes)) < self.views)


def _view(
    solid: Solid, rng: np.random.Generator
) -> tuple[Float16[np.ndarray, "y x"], Float[np.ndarray, ""], Float[np.ndarray, ""]]:
    """Return a solid's thickness from a random side, the spacing of its pixels, and how far it reaches."""
    rotation = RandomOrientation().draw(_LATTICE, solid, rng).rotation
    spacing = 2.1 * solid.reach / _GRID
    axis = (np.arange(_GRID) - (_GRID - 1) / 2) * spacing
    x, y = np.meshgrid(axis, axis)
    points = np.column_stack([x.ravel(), y.ravel()])
    thickness = thickness_along(solid, rotation, points, grains=()).sum(axis=0)
    reach = np.hypot(*points[thickness > 0].T).max(initial=spacing)
    return thickness.reshape(_GRID, _GRID).astype(np.float16), np.array(spacing), np.array(reach)
