"""Cut a piece of crystal, or of several grains of it, into the sites of a particle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import InputError
from simulate.crystals import Crystal, zone_axis_along
from simulate.structures.sites import Sites
from simulate.structures.solids import Solid
from simulate.truth import group_columns

MOST_SITES = 5_000_000
"""Sites that a particle may have: about 1 GB; a metal particle of 400 Å has 2 million."""


def cut(
    crystal: Crystal,
    solid: Solid,
    rotation: Float[np.ndarray, "3 3"],
    *,
    margin: float,
    on_axis: bool,
    rng: np.random.Generator,
) -> tuple[Sites, Bool[np.ndarray, " n"]]:
    """Cut a solid out of a crystal around a random point, or of grains around the point that they share.

    Parameters
    ----------
    crystal
        What to cut.
    solid
        Which points of the crystal's frame are filled.
    rotation
        (3, 3) turns that frame into the beam's.
    margin
        How far empty sites reach around the filled ones [Å].
    on_axis
        Whether a zone axis lies along the beam: sites are put into columns then, of several grains those of
        the first and of the others that the beam meets along a zone axis too.

    Returns
    -------
    sites, inside
        The sites, and which of them the solid holds.

    Raises
    ------
    InputError
        If the particle would have more than `MOST_SITES`.
    """
    reach = solid.reach + margin
    if reach**3 * 4.19 / abs(np.linalg.det(crystal.vectors)) * len(crystal.symbols) > MOST_SITES:
        raise InputError(
            f"a particle that reaches {reach:.0f} Å has over {MOST_SITES} sites: lessen diameter"
        )
    aligned = _aligned(crystal, solid, rotation[2]) if on_axis else np.zeros(max(len(solid.grains), 1), bool)
    points, kinds, grains = _points(crystal, solid, reach, aligned, rng)
    inside = solid.inside(points)
    near = _near(points, inside, margin)
    points, kinds, inside, in_columns = points[near], kinds[near], inside[near], aligned[grains[near]]
    positions = points @ rotation.T
    columns = np.full(len(points), -1)
    columns[in_columns] = _columns(positions[in_columns])
    order = np.lexsort((positions[:, 2], columns))
    numbers = atomic_numbers_of(crystal, kinds[order], rng)
    return (
        Sites(
            crystal=crystal,
            positions=positions[order],
            numbers=numbers,
            columns=columns[order],
            counted=counted_of(crystal, numbers),
            rotation=rotation,
            luck=rng.uniform(size=len(order)),
        ),
        inside[order],
    )


def atomic_numbers_of(
    crystal: Crystal, kinds: Int[np.ndarray, " n"], rng: np.random.Generator
) -> Int[np.ndarray, " n"]:
    """Return the atomic number at sites of the cell; shared sites are drawn one by one."""
    from ase.data import atomic_numbers

    symbols = np.array(crystal.symbols)[kinds]
    numbers = np.array([atomic_numbers[symbol] for symbol in crystal.symbols])[kinds]
    for site, shares in crystal.mixtures.items():
        at = symbols == site
        chances = np.array(list(shares.values()))
        elements = np.array([atomic_numbers[symbol] for symbol in shares])
        numbers[at] = rng.choice(elements, size=int(at.sum()), p=chances / chances.sum())
    return np.asarray(numbers, dtype=np.int64)


def counted_of(crystal: Crystal, numbers: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Return which atoms count for the depth of a column."""
    from ase.data import atomic_numbers

    return np.asarray(np.isin(numbers, [atomic_numbers[symbol] for symbol in crystal.counted]))


def _aligned(crystal: Crystal, solid: Solid, beam: Float[np.ndarray, "3"]) -> Bool[np.ndarray, " g"]:
    """Return along which grains' zone axes the beam lies; along one of the first it is known to."""
    others = [
        zone_axis_along(_unit(np.linalg.inv(grain.deformation) @ beam), crystal) is not None
        for grain in solid.grains[1:]
    ]
    return np.array([True, *others])


def _unit(vector: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    return np.asarray(vector / np.linalg.norm(vector))


def _points(
    crystal: Crystal, solid: Solid, reach: float, aligned: Bool[np.ndarray, " g"], rng: np.random.Generator
) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Return the sites within ``reach`` of the origin, which of the cell each is, and of which grain.

    A site on a twin plane goes to a grain that is ``aligned``, if one is.
    """
    if not solid.grains:
        origin = rng.uniform(size=3) @ crystal.vectors
        points, kinds = _lattice(crystal, np.eye(3), origin, reach)
        return points, kinds, np.zeros(len(points), dtype=np.int64)
    parts = []
    for index in np.argsort(~aligned, kind="stable"):
        points, kinds = _lattice(crystal, solid.grains[index].deformation, np.zeros(3), reach)
        held = solid.grains[index].holds(points)
        parts.append((points[held], kinds[held], np.full(int(held.sum()), index)))
    points, kinds, grains = (np.concatenate(column) for column in zip(*parts, strict=True))
    first = _first_of_equal(points)
    return points[first], kinds[first], grains[first]


def _lattice(
    crystal: Crystal, deformation: Float[np.ndarray, "3 3"], origin: Float[np.ndarray, "3"], reach: float
) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, " n"]]:
    """Return the sites within ``reach`` of the point ``origin`` of a crystal that is then strained."""
    vectors = crystal.vectors @ deformation.T
    # Lattice planes cut the sphere 1 / |reciprocal vector| apart; one cell more for the sites within a cell.
    most = np.ceil(reach * np.linalg.norm(np.linalg.inv(vectors), axis=0)).astype(int) + 2
    steps = [np.arange(-n, n + 1) for n in most]
    cells = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3) @ vectors
    corner = np.linalg.norm(np.abs(vectors).sum(axis=0))
    cells = cells[(cells**2).sum(axis=1) <= (reach + 2 * corner) ** 2]
    shifts = np.array(crystal.scaled_positions) @ vectors - origin @ deformation.T
    points = (cells[:, None] + shifts).reshape(-1, 3)
    kinds = np.tile(np.arange(len(shifts)), len(cells))
    near = (points**2).sum(axis=1) <= reach**2
    return points[near], kinds[near]


def _columns(positions: Float[np.ndarray, "n 3"], *, grid: float = 0.01) -> Int[np.ndarray, " n"]:
    """Return the column of each site; of sites that project onto one point (``grid`` Å) one is grouped.

    Columns of a hundred atoms would make pairs of them by the million.
    """
    y, x = np.rint(positions[:, 1] / grid).astype(np.int64), np.rint(positions[:, 0] / grid).astype(np.int64)
    _, first, same = np.unique(y * 2**32 + x, return_index=True, return_inverse=True)
    return np.asarray(group_columns(positions[first])[same])


def _near(
    points: Float[np.ndarray, "n 3"], inside: Bool[np.ndarray, " n"], margin: float
) -> Bool[np.ndarray, " n"]:
    """Return which points are inside or within ``margin`` [Å] of one that is."""
    from scipy.spatial import cKDTree

    near = inside.copy()
    if inside.any():
        outer = np.flatnonzero(~inside)
        away = cKDTree(points[inside]).query(points[outer], distance_upper_bound=margin)[0]
        near[outer] = np.isfinite(away)
    return near


def _first_of_equal(points: Float[np.ndarray, "n 3"], *, within: float = 0.3) -> Int[np.ndarray, " m"]:
    """Return which points to keep so that of those on one place, as on a twin plane, one is left."""
    from scipy.spatial import cKDTree

    pairs: Sequence[Sequence[int]] = cKDTree(points).query_pairs(within, output_type="ndarray")
    keep = np.ones(len(points), dtype=bool)
    keep[np.asarray(pairs, dtype=int).reshape(-1, 2).max(axis=1)] = False
    return np.flatnonzero(keep)
