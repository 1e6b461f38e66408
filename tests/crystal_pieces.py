"""Pieces of crystal for tests: a ball of sites around a random point, a facetted particle in it filled."""

import numpy as np
from jaxtyping import Float

from simulate.crystals import crystal, facet_normals, onto_beam
from simulate.structures.changes import settle_anions
from simulate.structures.particle import Particle
from simulate.structures.sites import Sites
from simulate.truth import group_columns


def piece(
    name: str = "Au",
    zone_axis: tuple[int, int, int] | None = (1, 1, 0),
    *,
    radius: float = 13.0,
    seed: int = 0,
    in_plane: float | None = None,
    margin: float = 5.0,
) -> Particle:
    """Return a truncated octahedron; ``zone_axis`` None is an orientation of no zone axis.

    Sites go ``margin`` [Å] beyond 1.4 times its ``radius``, the distance of its {111} facets [Å].
    """
    rng = np.random.default_rng(seed)
    kind = crystal(name)
    angle = rng.uniform(0, 2 * np.pi) if in_plane is None else in_plane
    rotation = onto_beam(zone_axis or (3, 7, 12), angle)
    positions, numbers = _ball(kind, rotation, 1.4 * radius + margin, rng)
    counted = numbers != 8
    columns = np.full(len(positions), -1) if zone_axis is None else group_columns(positions)
    order = np.lexsort((positions[:, 2], columns))
    sites = Sites(
        crystal=kind,
        positions=positions[order],
        numbers=numbers[order],
        columns=columns[order],
        counted=counted[order],
        rotation=rotation,
        luck=rng.uniform(size=len(order)),
    )
    inside = sites.counted.copy()
    for family, distance in (((1, 1, 1), radius), ((1, 0, 0), 1.15 * radius)):
        inside &= (sites.positions @ (facet_normals(family) @ rotation.T).T <= distance).all(axis=1)
    occupied = settle_anions(sites, inside)
    about = {"shape": "truncated_octahedron", "zone_axis": zone_axis}
    return Particle(sites=sites, occupied=occupied, displacements=np.zeros((len(order), 3)), about=about)


def _ball(kind, rotation: Float[np.ndarray, "3 3"], radius: float, rng: np.random.Generator):
    cell = kind.unit_cell()
    count = int(np.ceil(2 * radius / kind.lattice_constant)) + 2
    atoms = cell.repeat((count,) * 3)
    centre = kind.lattice_constant * (count / 2 + rng.uniform(-0.5, 0.5, 3))
    positions = (atoms.positions - centre) @ rotation.T
    near = np.linalg.norm(positions, axis=1) <= radius
    return positions[near], atoms.numbers[near]
