"""The particles that column depth is tested on: shapes that networks were not trained on, as they change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from simulate.crystals import Crystal
    from simulate.movies.track import Track
    from simulate.structures import ParticleRecipe
    from simulate.structures.particle import Particle
    from simulate.structures.solids import Polyhedron

SEED = 20260
"""Nothing else was drawn from it; the training shards start from seed 0."""
MISTILT = 1.0
"""Largest angle between zone axis and beam [degrees]."""
RATES = (0.25, 0.35)
"""Gains and losses of a column at the rim from state to state: more go than come, so that columns vanish."""


OXIDES = ("CeO2",)
"""Materials that lack anions here and there."""
FACETS = ("111", "100", "110")
"""Families whose facets may be the sides of a pillar."""
SHAPES = "truncated octahedron, rhombic dodecahedron, cube, faceted pillar on end, inclined plate"
"""Told by the files of a test set, so that those of other shapes are not taken for it."""


@dataclass(frozen=True, kw_only=True)
class Pillar:
    """Prisms on end, between all low-index facets that hold their axis; the diameter is their width.

    Parameters
    ----------
    axis
        [uvw] along the prism.
    aspect
        Length over width, lowest and highest.
    jitter
        Standard deviation of each side's distance from the centre, relative.
    """

    axis: Sequence[int]
    aspect: tuple[float, float] = (1.5, 1.8)
    jitter: float = 0.1

    def solid(self, crystal: Crystal, diameter: float, rng: np.random.Generator) -> Polyhedron:
        """Draw a solid of a diameter [Å]."""
        from simulate.crystals import direction, facet_normals
        from simulate.structures.solids import Polyhedron

        along = direction(self.axis, crystal)
        normals = np.concatenate([facet_normals(family, crystal) for family in FACETS])
        sides = normals[np.abs(normals @ along) < 1e-6]
        moved = 1 + self.jitter * np.clip(rng.standard_normal(len(sides)), -3, 3)
        half = diameter / 2 * rng.uniform(*self.aspect)
        return Polyhedron(
            normals=np.concatenate([sides, [along, -along]]),
            distances=np.append(diameter / 2 * moved, [half, half]),
        )


@dataclass(frozen=True, kw_only=True)
class Places:
    """The columns of a particle that changes: every place that holds one in any of its states.

    Parameters
    ----------
    positions
        (state, place, 2) (y, x) in the box [Å]; of an empty place the mean over the states that fill it.
    depths
        (state, place) counted atoms, 0 where there is no column.
    """

    positions: Float[np.ndarray, "state place 2"]
    depths: Int[np.ndarray, "state place"]


def recipe(index: int, material: str = "CeO2") -> ParticleRecipe:
    """Return what particle ``index`` is drawn from: five shapes in turn, first thin ones, then deep ones.

    Training draws Wulff shapes, ellipsoids, slabs and round rods. Along [110], up to 9 counted atoms deep.
    """
    from simulate.defects.surface import Adatoms, RaggedEnds, Steps
    from simulate.defects.vacancies import AnionVacancies
    from simulate.structures import (
        Cube,
        ParticleRecipe,
        Plate,
        RhombicDodecahedron,
        TruncatedOctahedron,
        ZoneAxis,
    )

    shape, diameter = (
        (TruncatedOctahedron(), (20.0, 23.0)),
        (RhombicDodecahedron(), (22.0, 25.0)),
        (Cube(truncation=(0.0, 0.1)), (20.0, 22.0)),
        (Pillar(axis=(1, 1, 0)), (20.0, 23.0)),  # no thin columns but those at its steps
        (Plate(thickness=(0.4, 0.8)), (24.0, 27.0)),  # on {111}, inclined by 35° to the beam
    )[index % 5]
    deep = index // 5 % 2 == 1
    size = 1.15 if deep else 1.0
    return ParticleRecipe(
        materials=(material,),
        shapes=(shape,),
        orientation=ZoneAxis(axes=((1, 1, 0),), mistilt=MISTILT),
        diameter=(size * diameter[0], size * diameter[1]),
        depth=(9, 9) if deep else (4, 6),
        defects=(
            Steps(),
            RaggedEnds(chance=0.25),
            Adatoms(),
            *([AnionVacancies()] if material in OXIDES else []),
        ),
    )


def draw(index: int, states: int, scale: float = 1.0, material: str = "CeO2") -> tuple[Particle, Track]:
    """Return a particle and its life, the same ones every time.

    Parameters
    ----------
    index
        Of the particle.
    states
        Moments at which it is looked at; its columns gain and lose atoms in between.
    scale
        Of its diameter, for quick looks.
    material
        As `simulate.crystals` names it.
    """
    from dataclasses import replace

    from simulate.movies.motion import Still
    from simulate.movies.processes.exchange import ColumnExchange
    from simulate.movies.track import make_track
    from simulate.structures import make_particle

    family = recipe(index, material)
    low, high = family.diameter
    particle = make_particle(
        replace(family, diameter=(scale * low, scale * high)), np.random.default_rng([SEED, index])
    )
    exchange = ColumnExchange(gain_rate=RATES[0], loss_rate=RATES[1])
    history = np.random.default_rng([SEED, index, 3])
    return particle, make_track([particle], [exchange], Still(), np.arange(float(states)), history)


def tilted(particle: Particle, track: Track, degrees: float) -> Track:
    """Return the same life of a particle that lies further off its zone axis, in the same direction."""
    from dataclasses import replace

    from scipy.spatial.transform import Rotation

    own = Rotation.from_matrix(particle.mistilt).as_rotvec()
    wanted = Rotation.from_rotvec(np.radians(degrees) * own / np.linalg.norm(own)).as_matrix()
    turn = wanted @ particle.mistilt.T
    return replace(track, positions=track.positions @ turn.T, displacements=track.displacements @ turn.T)


def places_of(states: list[Atoms]) -> Places:
    """Return the places of the columns of a particle, from its atoms in the box in every state."""
    from simulate.truth import columns_of

    columns = [columns_of(atoms).counted() for atoms in states]
    ids = np.unique(np.concatenate([found.ids for found in columns]))
    depths = np.zeros((len(states), len(ids)), dtype=np.int64)
    positions = np.full((len(states), len(ids), 2), np.nan)
    for state, found in enumerate(columns):
        at = np.searchsorted(ids, found.ids)
        depths[state, at], positions[state, at] = found.depths, found.positions
    filled = np.nanmean(positions, axis=0)
    return Places(positions=np.where(np.isnan(positions), filled, positions), depths=depths)
